/** @import { Platform } from './types.js' */

const MAX_MS = 2 ** 31 - 1;

/** The time, and what is due later: one action for each key. */
export class Clock {
  #platform;
  /** @type {Map<unknown, unknown>} */
  #timers = new Map();
  #ended = false;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** Milliseconds of a monotonic clock. */
  get now() {
    return this.#platform.now();
  }

  /** A number in [0, 1). */
  get random() {
    return this.#platform.random();
  }

  /** @param {unknown} key */
  has(key) {
    return this.#timers.has(key);
  }

  /**
   * Replaces the key's action. If `ms` is NaN, and after `end()`, the new action never runs.
   *
   * @param {unknown} key
   * @param {number} ms
   * @param {() => void} action
   */
  start(key, ms, action) {
    this.stop(key);
    if (this.#ended || Number.isNaN(ms)) return;
    const run = () => {
      this.#timers.delete(key);
      action();
    };
    this.#timers.set(key, this.#platform.setTimeout(run, Math.min(Math.max(0, ms), MAX_MS)));
  }

  /** @param {unknown} key */
  stop(key) {
    this.#platform.clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  clear() {
    for (const key of this.#timers.keys()) this.stop(key);
  }

  /** Clears everything, for good. */
  end() {
    this.#ended = true;
    this.clear();
  }

  /**
   * Returns the result of `work`; rejects if there is none in time.
   *
   * @template T
   * @param {number} ms
   * @param {string} what the result, for the error
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async within(ms, what, work) {
    const key = Symbol(what);
    const late = new Promise((_, reject) => {
      this.start(key, ms, () => reject(new Error(`no ${what} within ${ms / 1_000} s`)));
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      this.stop(key);
    }
  }

  /**
   * Returns an exponential delay in milliseconds: at least `min`, at most `min` doubled once per failure, never more than
   * `max`. The jitter covers the whole range, so that clients do not all try again at the same time.
   *
   * @param {{ min: number, max: number }} range
   * @param {number} failures in a row
   */
  backoff({ min, max }, failures) {
    return min + this.random * (Math.min(max, min * 2 ** failures) - min);
  }
}

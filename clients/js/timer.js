/** @import { Platform } from './types.js' */

const MAX_MS = 2 ** 31 - 1;

/** One action that is due later, or none. */
export class Timer {
  #platform;
  /** @type {unknown} */
  #timer = null;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  get running() {
    return this.#timer !== null;
  }

  /**
   * Replaces the action that is due.
   *
   * @param {number} ms
   * @param {() => void} action
   */
  start(ms, action) {
    this.stop();
    const run = () => {
      this.#timer = null;
      action();
    };
    this.#timer = this.#platform.setTimeout(run, Math.min(Math.max(0, ms), MAX_MS));
  }

  stop() {
    if (this.#timer !== null) this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
  }
}

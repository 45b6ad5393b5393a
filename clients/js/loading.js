/**
 * @import { HeraldOptions, LoadReason, Platform } from './types.js'
 * @import { Delivery } from './delivery.js'
 * @import { Emitter } from './emitter.js'
 * @import { Generations } from './generations.js'
 */

import { Backoff } from "./backoff.js";
import { Timer } from "./timer.js";

const UNREACHABLE_MS = 3_000;
const TIMEOUT_MS = 30_000;
const RETRY = { min: 1_000, max: 30_000 };

/**
 * Calls the application's `load`: once the position is known and after each gap, and without Herald if Herald cannot be
 * reached.
 *
 * Events are held from the start of a load to its end. If a load fails, the events are delivered, and the load is
 * repeated.
 */
export class Loading {
  #load;
  #delivery;
  #generations;
  #emitter;
  #backoff;
  /** @type {LoadReason | null} Why the rows must be loaded, until they have been. */
  #due = /** @type {LoadReason | null} */ ("start");
  #ready = false;
  /** @type {AbortController | null} The load that is running. */
  #current = null;
  /** Until Herald counts as unreachable, until a load has timed out, or until the next attempt. */
  #timer;

  /**
   * @param {{ platform: Platform, load: HeraldOptions["load"], delivery: Delivery, generations: Generations,
   *   emitter: Emitter }} parts
   */
  constructor({ platform, load, delivery, generations, emitter }) {
    this.#load = load;
    this.#delivery = delivery;
    this.#generations = generations;
    this.#emitter = emitter;
    this.#timer = new Timer(platform);
    this.#backoff = new Backoff({ ...RETRY, random: platform.random });
    if (load) delivery.hold();
  }

  /** The client connects: if this takes too long, the page gets its rows without Herald. */
  start() {
    const waiting = this.#timer.running || this.#ready;
    if (this.#due && this.#load && !waiting) this.#timer.start(UNREACHABLE_MS, () => this.#begin("unreachable"));
  }

  /** The client is connected, and its position is known. */
  ready() {
    this.#ready = true;
    if (this.#due) this.#begin(this.#due);
  }

  /** The client is not connected any more. A load that is running goes on. */
  lost() {
    this.#ready = false;
  }

  /**
   * The rows must be loaded when the next connection is ready.
   *
   * @param {LoadReason} reason
   */
  later(reason) {
    this.#due ??= reason;
  }

  /**
   * The rows must be loaded: at once, or when the client is connected.
   *
   * @param {LoadReason} reason
   */
  request(reason) {
    this.later(reason);
    if (this.#ready) this.#begin(reason);
  }

  /** The rows are those of another user. */
  restart() {
    this.stop();
    this.#due = "start";
    if (this.#load) this.#delivery.hold();
    this.start();
  }

  stop() {
    this.#ready = false;
    this.#current?.abort();
    this.#current = null;
    this.#timer.stop();
  }

  /** @param {LoadReason} reason */
  async #begin(reason) {
    if (!this.#load) return this.#finish(reason);
    this.#current?.abort();
    const controller = (this.#current = new AbortController());
    this.#delivery.hold();
    this.#generations.begin();
    try {
      const rows = await this.#within(TIMEOUT_MS, this.#load({ reason, signal: controller.signal }));
      if (controller !== this.#current) return;
      this.#generations.load(rows);
      this.#emitter.emit("loaded", reason);
      this.#finish(reason);
    } catch (cause) {
      if (controller === this.#current) this.#retry(reason, cause);
    }
  }

  /** @param {LoadReason} reason */
  #finish(reason) {
    this.#current = null;
    this.#timer.stop();
    this.#backoff.reset();
    // Rows that were loaded without Herald may be older than the position that Herald gives later.
    if (reason !== "unreachable") this.#due = null;
    this.#delivery.release();
  }

  /**
   * @param {LoadReason} reason
   * @param {unknown} cause
   */
  #retry(reason, cause) {
    this.#current?.abort();
    this.#current = null;
    const delay = this.#backoff.next();
    this.#timer.start(delay, () => this.#begin(this.#ready && this.#due ? this.#due : reason));
    const message = `load() failed: ${cause}. The next attempt is in ${(delay / 1_000).toFixed(1)} s.`;
    this.#emitter.error({ name: "load_failed", message, cause });
    this.#delivery.release();
  }

  /**
   * @template T
   * @param {number} ms
   * @param {T | Promise<T>} result
   * @returns {Promise<T>}
   */
  #within(ms, result) {
    return new Promise((resolve, reject) => {
      this.#timer.start(ms, () => reject(new Error(`no rows within ${ms / 1_000} s`)));
      Promise.resolve(result).then(resolve, reject);
    });
  }
}

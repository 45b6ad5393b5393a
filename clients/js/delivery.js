/**
 * @import { Platform, Place } from './types.js'
 * @import { WireEvent } from './internal.js'
 * @import { Emitter, Handler } from './emitter.js'
 * @import { Generations } from './generations.js'
 */

import { Backoff } from "./backoff.js";
import { call } from "./emitter.js";

const RETRY = { min: 1_000, max: 30_000 };
const TRIES = 5;

/** Hands events to the application: holds them while `load` is running, and calls handlers again that failed. */
export class Delivery {
  #platform;
  #emitter;
  #generations;
  #holding = false;
  /** @type {(() => void)[]} */
  #held = [];
  /** @type {Map<() => void, unknown>} Failed calls that are due again, with their timers. */
  #retries = new Map();
  #running = false;

  /** @param {{ platform: Platform, emitter: Emitter, generations: Generations }} parts */
  constructor({ platform, emitter, generations }) {
    this.#platform = platform;
    this.#emitter = emitter;
    this.#generations = generations;
  }

  /**
   * @param {WireEvent} event
   * @param {Place | null} place null for progress
   * @param {() => void} handled called once no handler needs the event any more
   */
  receive(event, place, handled) {
    const deliver = () => {
      this.#generations.receive(event.subject, event.data, !place ? "running" : place.offset === null ? "notice" : "result");
      if (place) this.#call([event, place], this.#emitter.take("event"), 1, handled);
      else this.#emitter.emit("progress", event);
    };
    if (this.#holding) this.#held.push(deliver);
    else deliver();
  }

  /** Keeps events from now on. */
  hold() {
    this.#holding = true;
  }

  /** Delivers the events that were held, in order. */
  release() {
    this.#holding = false;
    for (const deliver of this.#held.splice(0)) deliver();
  }

  start() {
    this.#running = true;
    for (const retry of this.#retries.keys()) this.#schedule(retry, 0);
  }

  /** Calls no handler again until `start()`. */
  stop() {
    this.#running = false;
    for (const timer of this.#retries.values()) this.#platform.clearTimeout(timer);
  }

  /** Forgets all events that were not handled. */
  forget() {
    this.stop();
    this.#held = [];
    this.#retries.clear();
  }

  /**
   * @param {[WireEvent, Place]} args
   * @param {Handler[]} handlers
   * @param {number} attempt
   * @param {() => void} handled
   */
  #call(args, handlers, attempt, handled) {
    /** @type {Handler[]} */
    const failed = [];
    let open = 1;
    const settle = () => {
      open -= 1;
      if (open > 0) return;
      if (failed.length === 0 || attempt === TRIES) return handled();
      const backoff = new Backoff({ ...RETRY, random: this.#platform.random });
      backoff.attempt = attempt - 1;
      this.#schedule(() => this.#call(args, failed, attempt + 1, handled), backoff.next());
    };
    for (const handler of handlers) {
      open += 1;
      call(handler, args, settle, (error) => {
        failed.push(handler);
        const then = attempt === TRIES ? "; the event is given up" : "";
        this.#emitter.failed("event", error, ` (attempt ${attempt} of ${TRIES}${then})`);
        settle();
      });
    }
    settle();
  }

  /**
   * @param {() => void} retry
   * @param {number} delay in milliseconds
   */
  #schedule(retry, delay) {
    const run = () => {
      this.#retries.delete(retry);
      retry();
    };
    this.#retries.set(retry, this.#running ? this.#platform.setTimeout(run, delay) : null);
  }
}

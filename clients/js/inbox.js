/**
 * @import { HeraldOptions, LoadReason, Place, Platform } from './types.js'
 * @import { WireEvent } from './internal.js'
 * @import { Emitter } from './emitter.js'
 * @import { Generations } from './generations.js'
 */

import { Clock } from "./clock.js";

const UNREACHABLE_MS = 3_000;
const LOAD_MS = 30_000;
const RETRY = { min: 1_000, max: 30_000 };
const TRIES = 5;

/**
 * What the application receives: its own rows from `load`, then events.
 *
 * `load` is called once the position is known and after each gap, and without Herald if Herald cannot be reached. Events
 * are held from the start of a load to its end. If a load fails, the events are delivered, and the load is repeated. Event
 * handlers that fail are called again.
 */
export class Inbox {
  #load;
  #generations;
  #emitter;
  #clock;
  /** @type {LoadReason | null} Why the rows must be loaded, until they have been. */
  #due = /** @type {LoadReason | null} */ ("start");
  #ready = false;
  #running = false;
  /** @type {AbortController | null} The load that is running. */
  #current = null;
  /** Loads that failed in a row. */
  #failures = 0;
  /** @type {(() => void)[] | null} Events that wait for rows; null if events are delivered at once. */
  #held;
  /** @type {Set<() => void>} Events whose handlers must be called again. */
  #retries = new Set();

  /**
   * @param {Platform} platform
   * @param {HeraldOptions["load"]} load
   * @param {Generations} generations
   * @param {Emitter} emitter
   */
  constructor(platform, load, generations, emitter) {
    this.#load = load;
    this.#generations = generations;
    this.#emitter = emitter;
    this.#clock = new Clock(platform);
    this.#held = load ? [] : null;
  }

  /** The client connects: if this takes too long, the page gets its rows without Herald. */
  start() {
    this.#running = true;
    for (const retry of this.#retries) this.#schedule(retry, 0);
    if (!this.#due || !this.#load || this.#ready || this.#current || this.#clock.has("load")) return;
    this.#clock.start("load", UNREACHABLE_MS, () => this.#begin("unreachable"));
  }

  /** Ends the running load, and calls no handler again until `start()`. */
  stop() {
    this.#ready = this.#running = false;
    this.#abort();
    this.#clock.clear();
  }

  /** Starts anew, for another user. */
  restart() {
    this.forget();
    this.#due = "start";
    this.#generations.clear();
    this.start();
  }

  /** Stops, and forgets all events that were not handled. */
  forget() {
    this.stop();
    this.#retries.clear();
    this.#held = this.#load ? [] : null;
  }

  /** The client is connected, and its position is known. */
  ready() {
    this.#ready = true;
    if (this.#due) this.#begin(this.#due);
  }

  /** The client has no connection or no position any more. A load that is running goes on. */
  lost() {
    this.#ready = false;
  }

  /**
   * The rows must be loaded: at once, or when the client is ready.
   *
   * @param {LoadReason} reason
   */
  request(reason) {
    this.#due ??= reason;
    if (this.#ready) this.#begin(reason);
  }

  /**
   * @param {WireEvent} event
   * @param {Place | null} place null for progress
   * @param {() => void} [handled] called once no handler needs the event any more
   */
  receive(event, place, handled = () => {}) {
    const deliver = () => {
      this.#generations.receive(event.subject, event.data, typeof place?.offset === "number");
      if (place) this.#deliver([event, place], handled);
      else this.#emitter.emit("progress", event);
    };
    if (this.#held) this.#held.push(deliver);
    else deliver();
  }

  /**
   * @param {[WireEvent, Place]} args
   * @param {() => void} handled
   */
  async #deliver(args, handled) {
    let handlers = this.#emitter.get("event");
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === TRIES;
      const then = ` (attempt ${attempt} of ${TRIES}${last ? "; the event is given up" : ""})`;
      handlers = await this.#emitter.run("event", handlers, args, then);
      if (last || handlers.length === 0) return handled();
      await new Promise((/** @type {(value?: undefined) => void} */ retry) => {
        this.#retries.add(retry);
        if (this.#running) this.#schedule(retry, this.#clock.backoff(RETRY, attempt));
      });
    }
  }

  /**
   * @param {() => void} retry
   * @param {number} ms
   */
  #schedule(retry, ms) {
    this.#clock.start(retry, ms, () => {
      this.#retries.delete(retry);
      retry();
    });
  }

  /** @param {LoadReason} reason */
  async #begin(reason) {
    const load = this.#load;
    if (!load) return void (this.#due = null);
    this.#abort();
    this.#clock.stop("load");
    const { signal } = (this.#current = new AbortController());
    this.#held ??= [];
    this.#generations.begin();
    try {
      const rows = await this.#clock.within(LOAD_MS, "rows", () => load({ reason, signal }));
      if (signal.aborted) return;
      this.#generations.load(rows);
      this.#emitter.emit("loaded", reason);
      this.#failures = 0;
      // Rows that were loaded without Herald may be older than the position that Herald gives later.
      if (reason !== "unreachable") this.#due = null;
    } catch (cause) {
      if (signal.aborted) return;
      this.#abort();
      const delay = this.#clock.backoff(RETRY, ++this.#failures);
      this.#clock.start("load", delay, () => this.#begin((this.#ready && this.#due) || reason));
      const next = `The next attempt is in ${(delay / 1_000).toFixed(1)} s.`;
      this.#emitter.error("load_failed", `load() failed: ${cause}. ${next}`, { cause });
    }
    this.#current = null;
    const held = this.#held ?? [];
    this.#held = null;
    for (const deliver of held) deliver();
  }

  #abort() {
    this.#current?.abort();
    this.#current = null;
  }
}

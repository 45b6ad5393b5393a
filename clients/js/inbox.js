/**
 * @import { HeraldOptions, LoadReason, Place, Platform } from './types.js'
 * @import { Emitter, Generations, Handler, Inbox, WireEvent } from './internal.js'
 */

import { LOAD_MS, RETRY_MAX_MS, RETRY_MIN_MS, TRIES, UNREACHABLE_MS } from "./constants.js";
import { backoff, createTimers } from "./timers.js";

/**
 * What the application receives: its own rows from `load`, then events.
 *
 * `load` is called once the position is known and after each gap, and without Herald if Herald cannot be reached. Events
 * are held from the start of a load to its end. If a load fails, the events are delivered, and the load is repeated. Event
 * handlers that fail are called again.
 *
 * @param {Platform} platform
 * @param {HeraldOptions["load"]} load
 * @param {Generations} generations
 * @param {Emitter} emitter
 * @returns {Inbox}
 */
export function createInbox(platform, load, generations, { emit, report }) {
  const timers = createTimers(platform);
  /** @type {LoadReason | null} Why the rows must be loaded, until they have been. */
  let due = /** @type {LoadReason | null} */ ("start");
  let ready = false;
  let running = false;
  /** @type {AbortController | undefined} The load that is running. */
  let current;
  /** Loads that failed in a row. */
  let failures = 0;
  /** @type {(() => void)[] | undefined} Events that wait for rows; without it, events are delivered at once. */
  let held = load && [];
  /** @type {Set<() => void>} Events whose handlers must be called again. */
  const retries = new Set();

  const retryDelay = (/** @type {number} */ failed) => backoff(platform, RETRY_MIN_MS, RETRY_MAX_MS, failed);

  const abort = () => {
    current?.abort();
    current = undefined;
  };

  /** @param {LoadReason} reason */
  const begin = async (reason) => {
    if (!load) return;
    abort();
    timers.stop(load);
    const { signal } = (current = new AbortController());
    held ??= [];
    generations.start();
    try {
      const rows = await timers.within(LOAD_MS, "rows", () => load({ reason, signal }));
      if (signal.aborted) return;
      generations.load(rows);
      emit("loaded", [reason]);
      failures = 0;
      // Rows that were loaded without Herald may be older than the position that Herald gives later.
      if (reason !== "unreachable") due = null;
    } catch (cause) {
      if (signal.aborted) return;
      abort();
      timers.start(retryDelay(++failures), () => begin((ready && due) || reason), load);
      report("load_failed", String(cause), { cause });
    }
    current = undefined;
    const waiting = held;
    held = undefined;
    waiting?.forEach((deliver) => deliver());
  };

  /**
   * @param {WireEvent} event
   * @param {Place} place
   * @param {() => void} [handled]
   * @param {Handler[]} [called] those that failed before
   * @param {number} [attempt]
   */
  const handle = async (event, place, handled, called, attempt = 1) => {
    const failed = await emit("event", [event, place], called, ` (attempt ${attempt} of ${TRIES})`);
    if (attempt === TRIES || !failed.length) return handled?.();
    const retry = () => {
      retries.delete(retry);
      handle(event, place, handled, failed, attempt + 1);
    };
    retries.add(retry);
    if (running) timers.start(retryDelay(attempt), retry);
  };

  const start = () => {
    running = true;
    for (const retry of retries) timers.start(0, retry);
    // If connecting takes too long, the page gets its rows without Herald.
    if (!due || !load || ready || current || timers.has(load)) return;
    timers.start(UNREACHABLE_MS, () => begin("unreachable"), load);
  };

  const stop = () => {
    ready = running = false;
    abort();
    timers.clear();
  };

  const forget = () => {
    stop();
    retries.clear();
    held = load && [];
  };

  return {
    start,
    stop,
    forget,
    restart() {
      forget();
      due = "start";
      generations.clear();
      start();
    },
    ready() {
      ready = true;
      if (due) begin(due);
    },
    lost: () => void (ready = false),
    request(reason) {
      due ??= reason;
      if (ready) begin(reason);
    },
    receive(event, place, handled) {
      const deliver = () => {
        generations.receive(event.subject, event.data, place?.offset != null);
        if (place) handle(event, place, handled);
        else emit("progress", [event]);
      };
      if (held) held.push(deliver);
      else deliver();
    },
  };
}

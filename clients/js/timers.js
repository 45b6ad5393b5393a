/**
 * @import { Platform } from './types.js'
 * @import { Timers } from './internal.js'
 */

import { MAX_TIMEOUT_MS } from "./constants.js";

/**
 * What is due later: one action for each key.
 *
 * @param {Platform} platform
 * @returns {Timers}
 */
export function createTimers({ setTimeout, clearTimeout }) {
  const timers = new Map();

  const stop = (/** @type {unknown} */ key) => {
    clearTimeout(timers.get(key));
    timers.delete(key);
  };

  /** @type {Timers["start"]} */
  const start = (ms, action, key = action) => {
    stop(key);
    if (!(ms < Infinity)) return;
    const run = () => {
      timers.delete(key);
      action();
    };
    timers.set(key, setTimeout(run, Math.min(Math.max(0, ms), MAX_TIMEOUT_MS)));
  };

  return {
    start,
    stop,
    has: (key) => timers.has(key),
    clear: () => timers.forEach((_, key) => stop(key)),
    within: (ms, what, work) =>
      new Promise((resolve, reject) => {
        start(ms, () => reject(new Error(`no ${what} within ${ms / 1_000} s`)), resolve);
        const done = async () => work();
        done().finally(() => stop(resolve)).then(resolve, reject);
      }),
  };
}

/**
 * Returns an exponential delay in milliseconds: at least `min`, at most `min` doubled once per failure, never more than
 * `max`. The jitter covers the whole range, so that clients do not all try again at the same time.
 *
 * @param {Pick<Platform, "random">} platform
 * @param {number} min
 * @param {number} max
 * @param {number} failures in a row
 */
export function backoff({ random }, min, max, failures) {
  return min + random() * (Math.min(max, min * 2 ** failures) - min);
}

/** @import { Platform } from './types.js' */

/**
 * The functions that the client uses from its environment. Every part can be replaced, and tests replace all of them.
 *
 * @returns {Platform}
 */
export function defaultPlatform() {
  const { document } = globalThis;
  /** @type {(read: () => Storage) => any} If the user has blocked storage, even reading the property throws an error. */
  const storage = (read) => document && attempt(read);
  return {
    WebSocket: /** @type {Platform["WebSocket"]} */ (/** @type {unknown} */ (globalThis.WebSocket)),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => performance.now(),
    wallClock: () => Date.now(),
    random: () => Math.random(),
    onLine: () => globalThis.navigator?.onLine !== false,
    sessionStorage: storage(() => sessionStorage),
    localStorage: storage(() => localStorage),
    window: globalThis,
    document,
  };
}

/**
 * Returns the platform of a client. Its clock `now` is monotonic, and counts from the epoch: the wall clock is read only
 * once, so that times can be stored and compared after the page was loaded again.
 *
 * @param {Partial<Platform>} [replaced]
 * @returns {Platform}
 */
export function platformOf(replaced) {
  const platform = { ...defaultPlatform(), ...replaced };
  const { now, wallClock } = platform;
  const start = wallClock() - now();
  return { ...platform, now: () => now() + start };
}

/**
 * Returns undefined in place of an error.
 *
 * @template T
 * @param {() => T} action
 */
export function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

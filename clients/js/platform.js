/** @import { Platform } from './types.js' */

/**
 * The functions that the client uses from its environment. Every part can be replaced, and tests replace all of them.
 *
 * @returns {Platform}
 */
export function defaultPlatform() {
  const { WebSocket, document, navigator } = globalThis;
  /** The wall clock is read only once, so that times can be stored, and compared after the page was loaded again. */
  const start = Date.now() - performance.now();
  /** @type {(read: () => Storage) => any} If the user has blocked storage, even reading the property throws an error. */
  const storage = (read) => document && attempt(read);
  return {
    WebSocket: /** @type {Platform["WebSocket"]} */ (/** @type {unknown} */ (WebSocket)),
    setTimeout: (action, ms) => setTimeout(action, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    now: () => start + performance.now(),
    random: Math.random,
    onLine: () => navigator?.onLine !== false,
    sessionStorage: storage(() => sessionStorage),
    localStorage: storage(() => localStorage),
    window: globalThis,
    document,
  };
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

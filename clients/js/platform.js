/** @import { Platform } from './types.js' */

/**
 * The functions that the client uses from its environment. Every part can be replaced, and tests
 * replace all of them.
 *
 * @returns {Platform}
 */
export function defaultPlatform() {
  return {
    WebSocket: /** @type {Platform["WebSocket"]} */ (/** @type {unknown} */ (globalThis.WebSocket)),
    setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    now: () => performance.now(),
    wallClock: () => Date.now(),
    random: () => Math.random(),
    onLine: () => globalThis.navigator?.onLine !== false,
    sessionStorage: storage("sessionStorage"),
    localStorage: storage("localStorage"),
    window: typeof globalThis.addEventListener === "function" ? globalThis : null,
    document: globalThis.document ?? null,
  };
}

/**
 * If the user has blocked storage, even reading the property throws an error.
 *
 * @param {"sessionStorage" | "localStorage"} name
 */
function storage(name) {
  try {
    return globalThis.document ? globalThis[name] : null;
  } catch {
    return null;
  }
}

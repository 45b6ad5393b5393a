/** @import { Platform } from './types.js' */

/**
 * What the client takes from its surroundings; every part can be replaced, tests replace all.
 *
 * @returns {Platform}
 */
export function surroundings() {
  return {
    WebSocket: /** @type {Platform["WebSocket"]} */ (/** @type {unknown} */ (globalThis.WebSocket)),
    setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    now: () => Date.now(),
    random: () => Math.random(),
    sessionStorage: storage("sessionStorage"),
    localStorage: storage("localStorage"),
    window: typeof globalThis.addEventListener === "function" ? globalThis : null,
    document: globalThis.document ?? null,
  };
}

/**
 * Even reading the property throws where the user forbids storage.
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

/** @import { HeraldError } from './types.js' */

/** @typedef {(...args: any[]) => unknown} Handler */

/** The application's handlers, by event name. */
export class Emitter {
  /** @type {Map<string, Map<Handler, boolean>>} Whether each handler is removed after its first call. */
  #handlers = new Map();

  /**
   * @param {string} name
   * @param {Handler} handler
   * @param {boolean} once
   */
  add(name, handler, once) {
    if (typeof handler !== "function") throw new TypeError(`the handler of "${name}" must be a function`);
    const handlers = this.#handlers.get(name) ?? new Map();
    this.#handlers.set(name, handlers.set(handler, once));
  }

  /**
   * @param {string} name
   * @param {Handler} handler
   */
  remove(name, handler) {
    this.#handlers.get(name)?.delete(handler);
  }

  clear() {
    this.#handlers.clear();
  }

  /**
   * The handlers to call now.
   *
   * @param {string} name
   */
  take(name) {
    const handlers = [...(this.#handlers.get(name) ?? [])];
    for (const [handler, once] of handlers) if (once) this.remove(name, handler);
    return handlers.map(([handler]) => handler);
  }

  /**
   * Calls all handlers. A failure of one affects neither the others nor the client; it is reported as an error.
   *
   * @param {string} name
   * @param {...unknown} args
   */
  emit(name, ...args) {
    for (const handler of this.take(name)) this.run(name, handler, ...args);
  }

  /**
   * @param {string} name
   * @param {Handler} handler
   * @param {...unknown} args
   */
  run(name, handler, ...args) {
    call(handler, args, undefined, (error) => this.failed(name, error));
  }

  /** @param {HeraldError} error */
  error(error) {
    const handlers = this.take("error");
    if (handlers.length === 0) console.error(`Herald: ${error.name}: ${error.message}`, error.cause ?? "");
    for (const handler of handlers) call(handler, [error], undefined, console.error);
  }

  /**
   * @param {string} name
   * @param {unknown} cause
   * @param {string} then what happens next
   */
  failed(name, cause, then = "") {
    this.error({ name: "handler_failed", message: `a handler of "${name}" failed: ${cause}${then}`, cause });
  }
}

/**
 * Calls a function that may throw, or return a promise that rejects.
 *
 * @param {Handler} handler
 * @param {unknown[]} args
 * @param {(() => void) | undefined} done
 * @param {(error: unknown) => void} failed
 */
export function call(handler, args, done, failed) {
  /** @type {any} */
  let result;
  try {
    result = handler(...args);
  } catch (error) {
    return failed(error);
  }
  if (typeof result?.then === "function") result.then(() => done?.(), failed);
  else done?.();
}

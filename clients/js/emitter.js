/** @import { HeraldError } from './types.js' */

/** @typedef {(...args: any[]) => unknown} Handler */

/** The application's handlers, by event name. */
export class Emitter {
  /** @type {Map<string, Map<Handler, Handler>>} What is called for each handler. */
  #handlers = new Map();

  /**
   * @param {string} name
   * @param {Handler} handler
   * @param {boolean} [once] whether the handler is removed when it is called
   * @returns {() => void} removes the handler
   */
  add(name, handler, once) {
    checkFunction(`the handler of "${name}"`, handler);
    const end = () => this.remove(name, handler);
    const handlers = this.#handlers.get(name) ?? new Map();
    this.#handlers.set(name, handlers.set(handler, once ? (/** @type {any[]} */ ...args) => (end(), handler(...args)) : handler));
    return end;
  }

  /**
   * @param {string} name
   * @param {Handler} handler
   */
  remove(name, handler) {
    const handlers = this.#handlers.get(name);
    handlers?.delete(handler);
    if (handlers?.size === 0) this.#handlers.delete(name);
  }

  clear() {
    this.#handlers.clear();
  }

  /**
   * The handlers to call now.
   *
   * @param {string} name
   */
  get(name) {
    return [...(this.#handlers.get(name)?.values() ?? [])];
  }

  /**
   * Calls all handlers of an event.
   *
   * @param {string} name
   * @param {...unknown} args
   */
  emit(name, ...args) {
    this.run(name, this.get(name), args);
  }

  /**
   * Calls handlers. A handler that throws or rejects is reported, and affects neither the others nor the client.
   *
   * @param {string} name
   * @param {Handler[]} handlers
   * @param {unknown[]} args
   * @param {string} [then] what follows a failure
   * @returns {Promise<Handler[]>} those that failed, after all have settled
   */
  async run(name, handlers, args, then = "") {
    /** @type {Handler[]} */
    const failed = [];
    const call = async (/** @type {Handler} */ handler) => {
      try {
        await handler(...args);
      } catch (cause) {
        failed.push(handler);
        this.error("handler_failed", `a handler of "${name}" failed: ${cause}${then}`, { cause });
      }
    };
    await Promise.all(handlers.map(call));
    return failed;
  }

  /**
   * Reports an error to the application or, without a handler, to the console.
   *
   * @param {string} name
   * @param {string} message
   * @param {Pick<HeraldError, "code" | "cause">} [more]
   */
  error(name, message, more = {}) {
    const handlers = this.get("error");
    if (handlers.length === 0) console.error(`Herald: ${name}: ${message}`, more.cause ?? "");
    const call = async (/** @type {Handler} */ handler) => handler({ name, message, ...more });
    for (const handler of handlers) call(handler).catch(console.error);
  }
}

/**
 * @param {string} what
 * @param {unknown} value
 */
export function checkFunction(what, value) {
  if (typeof value !== "function") throw new TypeError(`${what} must be a function`);
}

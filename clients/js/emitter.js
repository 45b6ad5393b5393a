/** @import { Emitter, Handler } from './internal.js' */

/**
 * The application's handlers, by event name.
 *
 * @returns {Emitter}
 */
export function createEmitter() {
  /** @type {{ name: string, handler: Handler, call: Handler }[]} `call` is what is called for the handler. */
  let entries = [];

  const handlers = (/** @type {string} */ name) => entries.filter((entry) => entry.name === name).map(({ call }) => call);

  /** @type {Emitter["off"]} */
  const off = (name, handler) => {
    entries = entries.filter((entry) => entry.name !== name || entry.handler !== handler);
  };

  /** @type {Emitter["on"]} */
  const on = (name, handler, once) => {
    check(`a handler of "${name}"`, handler);
    const end = () => off(name, handler);
    end(); // A handler is added once.
    entries.push({ name, handler, call: once ? (...args) => (end(), handler(...args)) : handler });
    return end;
  };

  /** @type {Emitter["report"]} */
  const report = (name, message, more = {}) => {
    const called = handlers("error");
    if (!called.length) console.error(`Herald: ${name}: ${message}`, more.cause ?? "");
    callAll(called, [{ name, message, ...more }], (cause) => console.error(cause));
  };

  /** @type {Emitter["emit"]} */
  const emit = async (name, args, called = handlers(name), then = "") => {
    /** @type {Handler[]} */
    const failed = [];
    await callAll(called, args, (cause, handler) => {
      failed.push(handler);
      report("handler_failed", `a handler of "${name}" failed: ${cause}${then}`, { cause });
    });
    return failed;
  };

  return {
    on,
    off,
    emit,
    report,
    clear: () => void (entries = []),
  };
}

/**
 * Calls handlers; `failed` is called for each one that throws or rejects. Resolves after all have settled.
 *
 * @param {Handler[]} handlers
 * @param {unknown[]} args
 * @param {(cause: unknown, handler: Handler) => void} failed
 */
function callAll(handlers, args, failed) {
  const call = async (/** @type {Handler} */ handler) => {
    try {
      await handler(...args);
    } catch (cause) {
      failed(cause, handler);
    }
  };
  return Promise.all(handlers.map(call));
}

/**
 * Throws a TypeError if a value of the application has another type.
 *
 * @param {string} what
 * @param {unknown} value
 * @param {"function" | "string"} type
 */
export function check(what, value, type = "function") {
  if (typeof value !== type) throw new TypeError(`${what} must be a ${type}`);
}

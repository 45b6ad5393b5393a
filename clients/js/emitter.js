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
    called.map(async (handler) => {
      try {
        await handler({ name, message, ...more });
      } catch (cause) {
        console.error(cause);
      }
    });
  };

  /** @type {Emitter["emit"]} */
  const emit = async (name, args, called = handlers(name), then = "") => {
    /** @type {Handler[]} */
    const failed = [];
    const calls = called.map(async (handler) => {
      try {
        await handler(...args);
      } catch (cause) {
        failed.push(handler);
        report("handler_failed", `a handler of "${name}" failed: ${cause}${then}`, { cause });
      }
    });
    await Promise.all(calls);
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
 * Throws a TypeError if a value of the application has another type.
 *
 * @param {string} what
 * @param {unknown} value
 * @param {"function" | "string"} type
 */
export function check(what, value, type = "function") {
  if (typeof value !== type) throw new TypeError(`${what} must be a ${type}`);
}

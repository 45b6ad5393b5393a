/**
 * @import { Generation } from './types.js'
 * @import { Emitter, Handler } from './emitter.js'
 */

/** Parts of an application that wait for single generations. */
export class Watching {
  #emitter;
  #get;
  /** @type {Map<string, Set<Handler>>} */
  #handlers = new Map();
  /** @type {Set<(error: Error) => void>} */
  #waiting = new Set();

  /** @param {{ emitter: Emitter, get: (id: string) => Generation | undefined }} parts */
  constructor({ emitter, get }) {
    this.#emitter = emitter;
    this.#get = get;
  }

  /**
   * @param {string} id
   * @param {Handler} handler
   */
  subscribe(id, handler) {
    const handlers = this.#handlers.get(id) ?? new Set();
    this.#handlers.set(id, handlers.add(handler));
    const known = this.#get(id);
    if (known) this.#emitter.run("subscribe", handler, known);
    return () => {
      handlers.delete(handler);
      if (handlers.size === 0 && this.#handlers.get(id) === handlers) this.#handlers.delete(id);
    };
  }

  /**
   * @param {string} id
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Generation>}
   */
  waitFor(id, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const end = () => {
        signal?.removeEventListener("abort", aborted);
        this.#waiting.delete(failed);
        // The result may be known, and then `subscribe` has not returned yet.
        queueMicrotask(() => unsubscribe());
      };
      /** @param {unknown} error */
      const failed = (error) => (end(), reject(error));
      const aborted = () => failed(signal?.reason);
      signal?.addEventListener("abort", aborted);
      this.#waiting.add(failed);
      const unsubscribe = this.subscribe(id, (generation) => {
        if (generation.status === "PENDING") return;
        end();
        resolve(generation);
      });
    });
  }

  /**
   * @param {string} id
   * @param {Generation} generation
   */
  changed(id, generation) {
    for (const handler of [...(this.#handlers.get(id) ?? [])]) this.#emitter.run("subscribe", handler, generation);
  }

  /** @param {Error} error what the promises of `waitFor` reject with */
  clear(error) {
    this.#handlers.clear();
    for (const reject of [...this.#waiting]) reject(error);
  }
}

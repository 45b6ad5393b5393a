/** @import { ConnectionState, Finished, Generation, Handlers, HeraldOptions, Row, StreamPosition } from './types.js' */

import { check, createEmitter } from "./emitter.js";
import { createGenerations, one } from "./generations.js";
import { createInbox } from "./inbox.js";
import { createLink } from "./link.js";
import { defaultPlatform } from "./platform.js";
import { createStream } from "./stream.js";

/**
 * Keeps an application's generations up to date: each event of a user arrives exactly once, and events that can no
 * longer be recovered are reported as a gap.
 *
 * The constructor does nothing but keep its options, so it can be called at module scope and on a server. `connect()`
 * connects.
 *
 * @template {Row} [R=Row]
 */
export class Herald {
  #emitter = createEmitter();
  #generations = createGenerations(this.#emitter);
  #inbox;
  #stream;
  #link;
  /** Aborted by dispose(). */
  #life = new AbortController();

  /** @param {HeraldOptions<R>} options */
  constructor(options) {
    const { url, token, load } = options;
    check("url", url, "string");
    check("token", token);
    if (load !== undefined) check("load", load);
    const platform = { ...defaultPlatform(), ...options.platform };
    this.#inbox = createInbox(platform, load, this.#generations, this.#emitter);
    this.#stream = createStream(platform, options, this.#inbox, this.#emitter);
    this.#link = createLink(platform, options, this.#stream, this.#inbox, this.#emitter);
  }

  /**
   * The state of the connection and its reason; the same object until it changes.
   *
   * @returns {ConnectionState}
   */
  get connection() {
    return this.#link.state();
  }

  /**
   * The stream's epoch and the contiguous offset handled so far; null before the first welcome.
   *
   * @returns {StreamPosition | null}
   */
  get position() {
    return this.#stream.position();
  }

  /**
   * All generations: those of `load` in its order, newer ones before them; the same array until one of them changes.
   *
   * @returns {readonly Generation<R>[]}
   */
  get generations() {
    return /** @type {readonly any[]} */ (this.#generations.list());
  }

  /**
   * One generation; the same object until it changes.
   *
   * @param {string} id
   * @returns {Generation<R> | undefined}
   */
  generation(id) {
    return /** @type {any} */ (this.#generations.get(id));
  }

  /**
   * Adds a row that the application has from elsewhere, for example from the request that started the generation.
   *
   * @param {R} row
   */
  put(row) {
    this.#generations.put(row);
  }

  /**
   * Calls `handler` for every event of this name; returns a function that removes the handler.
   *
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers<R>[N]} handler
   * @returns {() => void}
   */
  on(name, handler) {
    return this.#emitter.on(name, handler);
  }

  /**
   * Calls `handler` for the next event of this name only; returns a function that removes the handler.
   *
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers<R>[N]} handler
   * @returns {() => void}
   */
  once(name, handler) {
    return this.#emitter.on(name, handler, true);
  }

  /**
   * Removes a handler.
   *
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers<R>[N]} handler
   */
  off(name, handler) {
    this.#emitter.off(name, handler);
  }

  /**
   * Calls `handler` with one generation: now, if it is known, and whenever it changes. Returns a function that ends this.
   *
   * @param {string} id
   * @param {(generation: Generation<R>) => unknown} handler
   * @returns {() => void}
   */
  subscribe(id, handler) {
    const name = one(id);
    const end = this.#emitter.on(name, handler);
    const known = this.#generations.get(id);
    if (known) this.#emitter.emit(name, [known], [handler]);
    return end;
  }

  /**
   * Returns the generation once it has a result, a picture or an error. Rejects if `signal` is aborted, or if the client
   * is disposed of.
   *
   * @param {string} id
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Finished<R>>}
   */
  async waitFor(id, { signal = this.#life.signal } = {}) {
    const either = AbortSignal.any([signal, this.#life.signal]);
    either.throwIfAborted();
    /** @type {() => void} */
    let end;
    const finished = new Promise((resolve, reject) => {
      either.onabort = () => reject(either.reason);
      end = this.subscribe(id, (generation) => generation.status !== "PENDING" && resolve(/** @type {any} */ (generation)));
    });
    return finished.finally(() => {
      // A signal with a listener is never collected.
      either.onabort = null;
      end();
    });
  }

  /**
   * Connects, and stays connected until `close()`. After a refusal, tries again; if a reconnect is scheduled, connects
   * at once. Throws an Error if the environment has no WebSocket, or after `dispose()`.
   */
  connect() {
    this.#life.signal.throwIfAborted();
    this.#link.connect();
    this.#inbox.start();
  }

  /** Closes the connection until `connect()` is called; the position is kept. */
  close() {
    this.#inbox.stop();
    this.#link.close("closed");
  }

  /**
   * Cancels a running generation of the user. Resolves to whether Herald canceled it; false also if there is no
   * connection or no answer.
   *
   * @param {string} id
   * @returns {Promise<boolean>}
   */
  cancel(id) {
    return this.#link.cancel(id);
  }

  /**
   * Closes the connection for good, and removes every handler.
   *
   * @param {{ forget?: boolean }} [options] `forget` also deletes the stored position, for example when the user signs out
   */
  dispose({ forget } = {}) {
    this.#inbox.forget();
    this.#link.close("disposed");
    if (forget) this.#stream.forget();
    this.#life.abort(new Error("the client was disposed of"));
    this.#emitter.clear();
  }
}

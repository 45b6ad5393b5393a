/**
 * @import { ConnectionState, Finished, Generation, Handlers, HeraldOptions, Platform, Row,
 *   StreamPosition } from './types.js'
 * @import { Connection } from './connection.js'
 * @import { Frame } from './internal.js'
 */

import { subject } from "./credential.js";
import { Delivery } from "./delivery.js";
import { Emitter } from "./emitter.js";
import { Generations } from "./generations.js";
import { Link } from "./link.js";
import { Loading } from "./loading.js";
import { defaultPlatform } from "./platform.js";
import { Stream } from "./stream.js";
import { Watching } from "./watching.js";

const OVERLOADED = 4100;
const NO_WEBSOCKET = 'There is no WebSocket here: call connect() only in a browser, or pass the class of "ws" as platform.WebSocket';

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
  #options;
  /** @type {Platform} */
  #platform;
  #emitter = new Emitter();
  #disposed = false;
  /** @type {string | null} Whose position is in use. */
  #user = null;
  #watching = new Watching({ emitter: this.#emitter, get: (id) => this.#generations.get(id) });
  #generations = new Generations({
    changed: (id, generation) => this.#watching.changed(id, generation),
    announced: (generations) => this.#emitter.emit("generations", generations),
  });
  #stream;
  #delivery;
  #loading;
  #link;

  /** @param {HeraldOptions<R>} options */
  constructor(options) {
    const { url, token, load, durable = false } = options;
    if (typeof url !== "string") throw new TypeError("url must be the wss:// URL of Herald's WebSocket API");
    if (typeof token !== "function") throw new TypeError("token must be a function that returns a JWT");
    if (load !== undefined && typeof load !== "function") throw new TypeError("load must be a function");
    this.#options = options;
    const platform = (this.#platform = { ...defaultPlatform(), ...options.platform });
    const emitter = this.#emitter;
    const generations = this.#generations;
    const delivery = (this.#delivery = new Delivery({ platform, emitter, generations }));
    const loading = (this.#loading = new Loading({ platform, load, delivery, generations, emitter }));
    this.#stream = new Stream({
      platform,
      durable,
      ask: (since, limit, answered) => this.#link.current?.request("history", { since, limit }, answered),
      // Events are rarely lost alone: later ones may be missing, too.
      recovered: () => this.#link.current?.ping(),
      onEvent: (event, place, handled) => delivery.receive(event, place, handled),
      onProgress: (event) => delivery.receive(event, null, () => {}),
      onGap: (gap) => {
        emitter.emit("gap", gap);
        loading.request("gap");
      },
    });
    const owner = {
      identify: (/** @type {string} */ token) => this.#identify(token),
      frame: (/** @type {Connection} */ connection, /** @type {Frame} */ frame) => this.#frame(connection, frame),
    };
    this.#link = new Link({ platform, options: { url, token }, stream: this.#stream, loading, emitter, owner });
  }

  /**
   * The state of the connection and its reason; the same object until it changes.
   *
   * @returns {ConnectionState}
   */
  get connection() {
    return this.#link.state;
  }

  /**
   * The stream's epoch and the contiguous offset handled so far; null before the first welcome.
   *
   * @returns {StreamPosition | null}
   */
  get position() {
    return this.#stream.position;
  }

  /**
   * All generations: those of `load` in its order, newer ones before them; the same array until one of them changes.
   *
   * @returns {readonly Generation<R>[]}
   */
  get generations() {
    return /** @type {readonly any[]} */ (this.#generations.list);
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
    this.#emitter.add(name, handler, false);
    return () => this.off(name, handler);
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
    this.#emitter.add(name, handler, true);
    return () => this.off(name, handler);
  }

  /**
   * Removes a handler.
   *
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers<R>[N]} handler
   */
  off(name, handler) {
    this.#emitter.remove(name, handler);
  }

  /**
   * Calls `handler` with one generation: now, if it is known, and whenever it changes. Returns a function that ends this.
   *
   * @param {string} id
   * @param {(generation: Generation<R>) => unknown} handler
   * @returns {() => void}
   */
  subscribe(id, handler) {
    return this.#watching.subscribe(id, handler);
  }

  /**
   * Returns the generation once it has a result, a picture or an error. Rejects if `signal` is aborted, or if the client
   * is disposed of.
   *
   * @param {string} id
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Finished<R>>}
   */
  waitFor(id, { signal } = {}) {
    if (this.#disposed) return Promise.reject(disposed());
    return /** @type {Promise<any>} */ (this.#watching.waitFor(id, signal));
  }

  /**
   * Connects, and stays connected until `close()`. After a refusal, tries again; if a reconnect is scheduled, connects
   * at once. Throws an Error if the environment has no WebSocket, or after `dispose()`.
   */
  connect() {
    if (this.#disposed) throw disposed();
    if (typeof this.#platform.WebSocket !== "function") throw new Error(NO_WEBSOCKET);
    this.#delivery.start();
    this.#loading.start();
    this.#link.connect();
  }

  /** Closes the connection until `connect()` is called; the position is kept. */
  close() {
    this.#close("closed");
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
  dispose({ forget = false } = {}) {
    this.#disposed = true;
    this.#close("disposed");
    if (forget) this.#forget();
    this.#delivery.forget();
    this.#emitter.clear();
    this.#watching.clear(disposed());
  }

  #forget() {
    const { user } = this.#options;
    if (this.#user === null && user) this.#stream.open(this.#key(user)); // never connected
    this.#stream.forget();
  }

  /** @param {string} user */
  #key(user) {
    return `herald:${this.#options.url}:${user}`;
  }

  /** @param {string} reason */
  #close(reason) {
    this.#delivery.stop();
    this.#loading.stop();
    this.#link.close(reason);
  }

  /**
   * Uses the position of the token's user: a position is valid only in the stream of its user. Returns whether the user
   * is another one than before.
   *
   * @param {string} token
   */
  #identify(token) {
    const owner = this.#options.user || subject(token);
    if (owner === this.#user) return false;
    const another = this.#user !== null;
    this.#user = owner;
    if (another) {
      this.#delivery.forget();
      this.#delivery.start();
      this.#generations.clear();
      this.#loading.restart();
    }
    this.#stream.stop();
    this.#stream.open(this.#key(owner));
    return another;
  }

  /**
   * @param {Connection} connection
   * @param {Frame} frame
   */
  #frame(connection, frame) {
    if (frame.type !== "error") return this.#stream.receive(frame, connection);
    const { name, message, code, re } = frame;
    this.#emitter.error({ name, message, code });
    // An event could not be stored, so no replay contains it.
    if (code === OVERLOADED && (re ?? null) === null) this.#loading.request("error");
  }
}

function disposed() {
  return new Error("the Herald client has been disposed of; create a new one");
}

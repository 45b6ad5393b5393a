/** @import { Ending, Frame, Handlers, HeraldClient, HeraldOptions, LoadReason, Platform, State } from './types.js' */

import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import { subject } from "./credential.js";
import { defaultPlatform } from "./platform.js";
import { Stream } from "./stream.js";

const RECONNECT = { min: 500, max: 20_000 };
const STABLE_MS = 10_000;
const TOKEN_MS = 15_000;
const CANCEL_MS = 20_000;
const TOO_MANY_CONNECTIONS = 4014;
const OVERLOADED = 4100;

/**
 * Delivers each event of a user exactly once. Events that can no longer be recovered are reported
 * as a gap.
 *
 * Connects on its own and stays connected until `close()`. The wire protocol is herald.v1.
 *
 * @implements {HeraldClient}
 */
export class Herald {
  /** @type {State} */
  #state = "offline";
  /** @type {Connection | null} The connection that is ready. */
  #current = null;
  /**
   * @type {Connection | null} The connection that is being established: the first one, or the
   * replacement of the current one.
   */
  #next = null;
  /**
   * Numbers the connection attempts, so that an attempt that was replaced while it waited for a
   * token stops silently.
   */
  #dialled = 0;
  #dialling = false;
  #open = true;
  /** @type {LoadReason | null} Why the application has to load its state once the position is known. */
  #loadDue = "start";
  /** @type {string | null} Whose position is in use. */
  #user = null;
  /** Whether Herald closed the connection because the user had too many connections. */
  #evicted = false;
  /** @type {unknown} */
  #timer = null;
  /** @type {Map<keyof Handlers, Set<(...args: any[]) => void>>} */
  #handlers = new Map();
  #options;
  /** @type {Platform} */
  #platform;
  #backoff;
  #stream;
  /** The time before which the server does not want us to reconnect. */
  #notBefore = 0;
  #online = () => this.#networkIsBack();
  #offline = () => this.#current?.doubt();
  /** The browser had frozen the tab, and with it the timers. */
  #resumed = () => (this.#current ? this.#current.check() : this.#reconnectNow());
  #visibility = () => this.#platform.document?.visibilityState !== "hidden" && this.#shown();

  /** @param {HeraldOptions} options */
  constructor(options) {
    const { durable = false, platform, onEvent, onProgress, onState, onLoad, onGap, onError } = options;
    this.#options = options;
    this.#platform = { ...defaultPlatform(), ...platform };
    this.#backoff = new Backoff({ ...RECONNECT, random: this.#platform.random });
    this.#stream = new Stream({
      platform: this.#platform,
      durable,
      ask: (since, limit, answered) => this.#current?.request("history", { since, limit }, answered),
      // Events are rarely lost alone: later ones may be missing, too.
      recovered: () => this.#current?.ping(),
      onEvent: (event, place) => this.#emit("event", event, place),
      onProgress: (event) => this.#emit("progress", event),
      onGap: (gap) => {
        this.#emit("gap", gap);
        this.#load("gap");
      },
    });
    const handlers = { event: onEvent, progress: onProgress, state: onState, load: onLoad, gap: onGap, error: onError };
    for (const [name, handler] of Object.entries(handlers)) {
      if (handler) this.on(/** @type {keyof Handlers} */ (name), handler);
    }
    this.#platform.window?.addEventListener("online", this.#online);
    this.#platform.window?.addEventListener("offline", this.#offline);
    this.#platform.document?.addEventListener("visibilitychange", this.#visibility);
    this.#platform.document?.addEventListener("resume", this.#resumed);
    // Let the caller attach handlers first.
    queueMicrotask(() => this.#open && !this.#busy() && this.#dial());
  }

  /** The connection's state: connecting, live, catching_up or offline. */
  get state() {
    return this.#state;
  }

  /** The stream's epoch and the contiguous offset handled so far; null before the first welcome. */
  get position() {
    return this.#stream.position;
  }

  /**
   * Calls `handler` for every event of this name; returns a function that removes the handler.
   *
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Handlers[N]} handler
   * @returns {() => void}
   */
  on(name, handler) {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** Reconnects after `close()` or a refusal; if a reconnect is already scheduled, connects at once. */
  connect() {
    this.#open = true;
    this.#evicted = false;
    if (this.#busy()) return;
    this.#backoff.reset();
    this.#dial();
  }

  /** Closes the connection until `connect()` is called; the position is kept. */
  close() {
    this.#open = false;
    this.#evicted = false;
    this.#dialled += 1;
    this.#dialling = false;
    this.#disarm();
    this.#stream.stop();
    for (const connection of [this.#current, this.#next]) connection?.close();
    this.#current = this.#next = null;
    this.#report();
  }

  /**
   * Cancels a running generation of the user. Resolves to whether Herald canceled it; false also if
   * there is no connection or no answer.
   *
   * @param {string} generation
   * @returns {Promise<boolean>}
   */
  cancel(generation) {
    return new Promise((resolve) => {
      if (!this.#current) return resolve(false);
      const timer = this.#platform.setTimeout(() => resolve(false), CANCEL_MS);
      this.#current.request("cancel", { generation }, (answer) => {
        this.#platform.clearTimeout(timer);
        resolve(answer?.type === "cancel_ok");
      });
    });
  }

  /** Closes the connection and removes every handler and listener. */
  dispose() {
    this.close();
    this.#handlers.clear();
    this.#platform.window?.removeEventListener("online", this.#online);
    this.#platform.window?.removeEventListener("offline", this.#offline);
    this.#platform.document?.removeEventListener("visibilitychange", this.#visibility);
    this.#platform.document?.removeEventListener("resume", this.#resumed);
  }

  #busy() {
    return this.#dialling || this.#next !== null || this.#current !== null;
  }

  async #dial() {
    this.#disarm();
    const dialled = ++this.#dialled;
    this.#dialling = true;
    this.#report();
    try {
      const token = await this.#token();
      if (dialled !== this.#dialled) return;
      this.#identify(token);
      this.#next = new Connection({
        platform: this.#platform,
        url: this.#options.url,
        token,
        owner: {
          token: () => this.#token(),
          position: () => this.position,
          frame: (connection, frame) => this.#frame(connection, frame),
          changed: () => this.#report(),
          positionRefused: () => this.#positionRefused(),
          ready: (connection) => this.#ready(connection),
          rotate: (connection) => connection === this.#current && !this.#next && !this.#dialling && this.#dial(),
          ended: (connection, ending) => this.#ended(connection, ending),
        },
      });
      this.#dialling = false;
      this.#report();
    } catch (error) {
      if (dialled !== this.#dialled) return;
      this.#dialling = false;
      this.#emit("error", { name: "cannot_connect", message: String(error), cause: error });
      this.#retry({ reconnect: "backoff", reason: "cannot connect" });
    }
  }

  /** @returns {Promise<string>} */
  #token() {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`token() did not return a token within ${TOKEN_MS / 1000} s`));
      const timer = this.#platform.setTimeout(late, TOKEN_MS);
      const settle = () => this.#platform.clearTimeout(timer);
      Promise.resolve().then(this.#options.token).then((token) => resolve(token.trim())).catch(reject).finally(settle);
    });
  }

  /**
   * Uses the position of the token's user: a position is valid only in the stream of its user.
   *
   * @param {string} token
   */
  #identify(token) {
    const { url, user = "" } = this.#options;
    const owner = user || subject(token);
    if (owner === this.#user) return;
    if (this.#user !== null) this.#loadDue = "start";
    this.#user = owner;
    this.#current?.close();
    this.#current = null;
    this.#stream.stop();
    this.#stream.open(`herald:${url}:${owner}`);
  }

  #positionRefused() {
    this.#stream.forget();
    this.#loadDue ??= "error";
  }

  /** @param {Connection} connection */
  #ready(connection) {
    const before = this.#current;
    this.#current = connection;
    this.#next = null;
    before?.close();
    this.#report();
    this.#stream.start();
    if (this.#loadDue) this.#load(this.#loadDue);
  }

  /**
   * @param {Connection} connection
   * @param {Ending} ending
   */
  #ended(connection, ending) {
    const { readyAt } = connection;
    if (readyAt !== null && this.#platform.now() - readyAt >= STABLE_MS) this.#backoff.reset();
    if (connection === this.#next) this.#next = null;
    if (connection === this.#current) {
      this.#current = null;
      this.#stream.stop();
    }
    this.#retry(ending);
  }

  /** @param {Ending} ending */
  #retry(ending) {
    const { reconnect, retryAfterMs = 0, code, reason } = ending;
    if (reconnect === "never") {
      this.#emit("error", { name: reason, message: "Herald asked the client not to reconnect", code });
      this.close();
      this.#evicted = code === TOO_MANY_CONNECTIONS;
      return;
    }
    if (this.#dialling || this.#next) return this.#report();
    // Reconnect at once only after a successful connection. A client that is refused repeatedly
    // backs off.
    const first = reconnect === "now" && this.#backoff.attempt === 0;
    const delay = this.#backoff.next();
    this.#disarm();
    const now = this.#platform.now();
    this.#notBefore = Math.max(this.#notBefore, now + retryAfterMs);
    this.#timer = this.#platform.setTimeout(() => this.#dial(), this.#notBefore - now + (first ? 0 : delay));
    this.#report();
  }

  /** Pings even if a frame arrived just now, because that frame may be from the old network. */
  #networkIsBack() {
    if (this.#current) this.#current.ping();
    else this.#reconnectNow();
  }

  /** The tab is visible again. Checks the connection, because timers may have been suspended. */
  #shown() {
    if (this.#evicted) this.connect(); // not earlier: two tabs would evict each other forever
    else if (this.#current) this.#current.check();
    else this.#reconnectNow();
  }

  #reconnectNow() {
    if (this.#timer !== null && this.#platform.now() >= this.#notBefore) this.connect();
  }

  /**
   * @param {Connection} connection
   * @param {Frame} frame
   */
  #frame(connection, frame) {
    if (frame.type === "error") {
      const { name, message, code, re } = frame;
      this.#emit("error", { name, message, code });
      // An event could not be stored, so no replay contains it.
      if (code === OVERLOADED && (re ?? null) === null && !this.#loadDue) this.#load("error");
    } else {
      this.#stream.receive(frame, connection);
    }
  }

  /** @param {LoadReason} reason */
  #load(reason) {
    this.#loadDue = null;
    this.#emit("load", reason);
  }

  #report() {
    /** @type {State} */
    let state = "offline";
    if (this.#current) state = this.#current.doubted ? "offline" : "live";
    else if (this.#next) state = this.#next.welcomed ? "catching_up" : "connecting";
    else if (this.#dialling) state = "connecting";
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  #disarm() {
    if (this.#timer !== null) this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /**
   * @template {keyof Handlers} N
   * @param {N} name
   * @param {Parameters<Handlers[N]>} args
   */
  #emit(name, ...args) {
    for (const handler of this.#handlers.get(name) ?? []) {
      try {
        handler(...args);
      } catch (error) {
        // An error in one handler must not affect the others or the position.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

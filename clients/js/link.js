/**
 * @import { ConnectionState, HeraldOptions, Platform } from './types.js'
 * @import { Ending } from './internal.js'
 * @import { Emitter } from './emitter.js'
 * @import { Inbox } from './inbox.js'
 * @import { Stream } from './stream.js'
 */

import { Clock } from "./clock.js";
import { Connection } from "./connection.js";
import { subject } from "./credential.js";
import { neverOpened } from "./diagnosis.js";

const RECONNECT = { min: 500, max: 20_000 };
const STABLE_MS = 10_000;
const TOKEN_MS = 15_000;
const TOO_MANY_CONNECTIONS = 4014;
/** So many sockets in a row must fail before they open until the client explains the likely causes. */
const FAILURES = 2;
const NO_WEBSOCKET = 'There is no WebSocket here: connect() only in a browser, or pass the class of "ws" as platform.WebSocket';

/** @typedef {[ConnectionState["state"], string]} Described */

/** @type {Described} */
const CONNECTING = ["connecting", "connect"];

/** Keeps one connection to Herald: connecting, reconnecting and replacing it, and its state. */
export class Link {
  /** @type {ConnectionState} */
  state = { state: "closed", reason: "new" };
  /** @type {Connection | null} The connection that is ready. */
  #current = null;
  /** @type {Connection | null} The connection that is being established: the first one, or the replacement of the current one. */
  #next = null;
  /** Whether there should be a connection. */
  #open = false;
  /** @type {Described} The state without a connection. */
  #rest = ["closed", "new"];
  /** Whether Herald closed the connection because the user had too many connections. */
  #evicted = false;
  /** Reconnects in a row without a stable connection. */
  #tries = 0;
  /** Sockets in a row that did not open. */
  #unopened = 0;
  /** The time before which the server does not want us to reconnect. */
  #notBefore = 0;
  /** Whether the network is down, as far as the browser knows. */
  #down = false;
  #listening = new AbortController();
  #platform;
  #options;
  #stream;
  #inbox;
  #emitter;
  #clock;

  /**
   * @param {Platform} platform
   * @param {HeraldOptions<any>} options
   * @param {Stream} stream
   * @param {Inbox} inbox
   * @param {Emitter} emitter
   */
  constructor(platform, options, stream, inbox, emitter) {
    this.#platform = platform;
    this.#options = options;
    this.#stream = stream;
    this.#inbox = inbox;
    this.#emitter = emitter;
    this.#clock = new Clock(platform);
  }

  connect() {
    if (typeof this.#platform.WebSocket !== "function") throw new Error(NO_WEBSOCKET);
    this.#listen();
    if (!this.#open) this.#rest = CONNECTING;
    this.#open = true;
    this.#evicted = false;
    if (this.#next || this.#current) return;
    this.#tries = this.#unopened = 0;
    this.#dial();
  }

  /** @param {string} reason */
  close(reason) {
    this.#listening.abort();
    this.#stop("closed", reason);
  }

  /**
   * @param {string} generation
   * @returns {Promise<boolean>} whether Herald canceled it
   */
  async cancel(generation) {
    const answer = await this.#current?.request("cancel", { generation });
    return answer?.type === "cancel_ok";
  }

  async token() {
    const token = await this.#clock.within(TOKEN_MS, "token", this.#options.token);
    return token.trim();
  }

  /**
   * Uses the position of the token's user. If it is another user than before, the old connection is of no use any more.
   *
   * @param {string} token
   */
  identify(token) {
    if (!this.#stream.open(subject(token))) return;
    this.#current?.close();
    this.#current = null;
    this.#stream.use(null);
    this.#inbox.restart();
  }

  /** @param {Connection} connection */
  ready(connection) {
    this.#current?.close();
    this.#current = connection;
    this.#next = null;
    this.#rest = CONNECTING;
    this.changed();
    this.#stream.use(connection);
    this.#inbox.ready();
  }

  /** @param {Connection} connection */
  rotate(connection) {
    if (connection === this.#current && !this.#next) this.#dial();
  }

  /**
   * @param {Connection} connection
   * @param {Ending} ending
   */
  ended(connection, ending) {
    const { reason, cause } = ending;
    if (this.#clock.now - connection.readyAt >= STABLE_MS) this.#tries = 0;
    if (connection === this.#next) this.#next = null;
    if (connection === this.#current) {
      this.#current = null;
      this.#lost();
    }
    if (reason === "cannot_connect") this.#emitter.error(reason, String(cause), { cause });
    else if (reason !== "not_opened" || this.#down) this.#unopened = 0;
    else if (++this.#unopened === FAILURES) {
      const message = neverOpened(this.#platform, this.#options.url, connection.problem, connection.token);
      this.#emitter.error("never_opened", message);
    }
    this.#retry(ending);
  }

  /** Tells the application the state, if it has changed. */
  changed() {
    const [state, reason] = this.#describe();
    if (state === this.state.state && reason === this.state.reason) return;
    this.state = { state, reason };
    this.#emitter.emit("state", state, reason);
  }

  /** @returns {Described} */
  #describe() {
    if (this.#current && !this.#current.doubted) return ["live", "ready"];
    if (this.#next?.phase === "replaying") return ["catching_up", "replay"];
    return this.#open && (this.#current || this.#down) ? ["offline", "network"] : this.#rest;
  }

  #dial() {
    this.#clock.stop("dial");
    this.#next = new Connection(this.#platform, this.#options.url, this.#stream, this);
    this.changed();
  }

  /** @param {Ending} ending */
  #retry({ reconnect, retryAfterMs = 0, code, reason }) {
    if (reconnect === "never") {
      this.#stop("refused", reason);
      this.#evicted = code === TOO_MANY_CONNECTIONS;
      return this.#emitter.error(reason, "Herald asked not to reconnect; connect() tries again", { code });
    }
    if (!this.#current) this.#rest = ["reconnecting", reason];
    this.changed();
    if (this.#next) return;
    // At once only after a successful connection. A client that is refused repeatedly backs off.
    const first = reconnect === "now" && this.#tries === 0;
    const delay = this.#clock.backoff(RECONNECT, ++this.#tries);
    const now = this.#clock.now;
    this.#notBefore = Math.max(this.#notBefore, now + retryAfterMs);
    this.#clock.start("dial", this.#notBefore - now + (first ? 0 : delay), () => this.#dial());
  }

  /** @param {Described} rest */
  #stop(...rest) {
    this.#open = this.#evicted = false;
    this.#rest = rest;
    this.#clock.clear();
    for (const connection of [this.#current, this.#next]) connection?.close();
    this.#current = this.#next = null;
    this.#lost();
    this.changed();
  }

  #lost() {
    this.#stream.use(null);
    this.#inbox.lost();
  }

  /** Follows what a browser reports about its network and about the tab. Other environments report nothing. */
  #listen() {
    const { window, document } = this.#platform;
    this.#listening.abort();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#down = !this.#platform.onLine();
    window?.addEventListener("offline", () => this.#network(true), { signal });
    window?.addEventListener("online", () => this.#network(false), { signal });
    // The browser had frozen the tab, and with it the timers.
    document?.addEventListener("resume", () => this.#wake(), { signal });
    document?.addEventListener("visibilitychange", () => document.visibilityState !== "hidden" && this.#shown(), { signal });
  }

  /** @param {boolean} down */
  #network(down) {
    this.#down = down;
    if (!down) this.#wake(true);
    else if (this.#current) this.#current.doubted = true;
    this.changed();
  }

  #shown() {
    if (this.#evicted) this.connect(); // not earlier: two tabs would evict each other forever
    else this.#wake();
  }

  /**
   * Checks the connection, or reconnects at once.
   *
   * @param {boolean} [always] even if a frame arrived just now, because that frame may be from the old network
   */
  #wake(always) {
    const { upkeep } = this.#current ?? {};
    if (upkeep) always ? upkeep.ping() : upkeep.check();
    else if (this.#clock.has("dial") && this.#clock.now >= this.#notBefore) this.connect();
  }
}

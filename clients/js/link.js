/**
 * @import { ConnectionState, Platform } from './types.js'
 * @import { Ending, Frame } from './internal.js'
 * @import { Emitter } from './emitter.js'
 * @import { Loading } from './loading.js'
 * @import { Stream } from './stream.js'
 */

import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import { expired, neverOpened } from "./diagnosis.js";
import { Environment } from "./environment.js";
import { Timer } from "./timer.js";

const RECONNECT = { min: 500, max: 20_000 };
const STABLE_MS = 10_000;
const TOKEN_MS = 15_000;
const CANCEL_MS = 20_000;
const TOO_MANY_CONNECTIONS = 4014;
/** So many sockets in a row must fail before they open until the client explains the likely causes. */
const FAILURES = 2;

/** Keeps one connection to Herald: connecting, reconnecting and replacing it, and its state. */
export class Link {
  /** @type {ConnectionState} */
  state = { state: "closed", reason: "new" };
  /** @type {Connection | null} The connection that is ready. */
  current = null;
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
  #open = false;
  /** Why the link is closed, or why the last connection ended. */
  #reason = "new";
  #refused = false;
  /** Whether Herald closed the connection because the user had too many connections. */
  #evicted = false;
  /** Whether the first connection, or a later one, has ended or could not be opened. */
  #failed = false;
  /** Sockets in a row that did not open. */
  #unopened = 0;
  #timer;
  /** The time before which the server does not want us to reconnect. */
  #notBefore = 0;
  #options;
  #platform;
  #stream;
  #loading;
  #emitter;
  #owner;
  #backoff;
  #environment;

  /**
   * @param {{ platform: Platform, options: { url: string, token: () => string | Promise<string> },
   *   stream: Stream, loading: Loading, emitter: Emitter, owner: {
   *   identify(token: string): boolean,
   *   frame(connection: Connection, frame: Frame): void } }} parts `identify` returns whether the user is another one
   */
  constructor({ platform, options, stream, loading, emitter, owner }) {
    this.#platform = platform;
    this.#options = options;
    this.#stream = stream;
    this.#loading = loading;
    this.#emitter = emitter;
    this.#owner = owner;
    this.#timer = new Timer(platform);
    this.#backoff = new Backoff({ ...RECONNECT, random: platform.random });
    this.#environment = new Environment(platform, {
      offline: () => this.#networkIsDown(),
      online: () => this.#networkIsBack(),
      resumed: () => (this.current ? this.current.check() : this.#reconnectNow()),
      shown: () => this.#shown(),
    });
  }

  connect() {
    this.#environment.watch();
    this.#open = true;
    this.#evicted = this.#refused = false;
    if (this.#dialling || this.#next || this.current) return;
    this.#backoff.reset();
    this.#unopened = 0;
    this.#dial();
  }

  /** @param {string} reason */
  close(reason) {
    this.#environment.unwatch();
    this.#stop(reason);
  }

  /** @param {string} reason */
  #stop(reason) {
    this.#open = this.#evicted = this.#failed = false;
    this.#reason = reason;
    this.#dialled += 1;
    this.#dialling = false;
    this.#timer.stop();
    for (const connection of [this.current, this.#next]) connection?.close();
    this.current = this.#next = null;
    this.#lost();
    this.#report();
  }

  /**
   * @param {string} generation
   * @returns {Promise<boolean>} whether Herald canceled it
   */
  cancel(generation) {
    return new Promise((resolve) => {
      if (!this.current) return resolve(false);
      // A connection that is lost answers no request.
      const timer = this.#platform.setTimeout(() => resolve(false), CANCEL_MS);
      this.current.request("cancel", { generation }, (answer) => {
        this.#platform.clearTimeout(timer);
        resolve(answer?.type === "cancel_ok");
      });
    });
  }

  async #dial() {
    this.#timer.stop();
    const dialled = ++this.#dialled;
    this.#dialling = true;
    this.#report();
    try {
      // Not at once: a component that is mounted, unmounted and mounted again opens one connection.
      await null;
      if (dialled !== this.#dialled) return;
      const token = await this.#token();
      if (dialled !== this.#dialled) return;
      this.#connect(token);
    } catch (error) {
      if (dialled !== this.#dialled) return;
      this.#dialling = false;
      this.#emitter.error({ name: "cannot_connect", message: String(error), cause: error });
      this.#retry({ reconnect: "backoff", reason: "cannot_connect" });
    }
  }

  /** @param {string} token */
  #connect(token) {
    if (this.#owner.identify(token)) {
      this.current?.close();
      this.current = null;
    }
    this.#next = new Connection({
      platform: this.#platform,
      url: this.#options.url,
      token,
      owner: {
        token: () => this.#token(),
        position: () => this.#stream.position,
        frame: (connection, frame) => this.#owner.frame(connection, frame),
        changed: () => this.#report(),
        positionRefused: () => {
          this.#stream.forget();
          this.#loading.later("error");
        },
        ready: (connection) => this.#ready(connection),
        rotate: (connection) => connection === this.current && !this.#next && !this.#dialling && this.#dial(),
        ended: (connection, ending) => this.#ended(connection, ending, token),
      },
    });
    this.#dialling = false;
    this.#report();
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

  /** @param {Connection} connection */
  #ready(connection) {
    const before = this.current;
    this.current = connection;
    this.#next = null;
    this.#failed = false;
    before?.close();
    this.#report();
    this.#stream.start();
    this.#loading.ready();
  }

  #lost() {
    this.#stream.stop();
    this.#loading.lost();
  }

  /**
   * @param {Connection} connection
   * @param {Ending} ending
   * @param {string} token
   */
  #ended(connection, ending, token) {
    const { readyAt, opened, problem } = connection;
    if (readyAt !== null && this.#platform.now() - readyAt >= STABLE_MS) this.#backoff.reset();
    if (connection === this.#next) this.#next = null;
    if (connection === this.current) {
      this.current = null;
      this.#lost();
    }
    this.#unopened = opened || this.#environment.down ? 0 : this.#unopened + 1;
    if (this.#unopened === FAILURES) {
      const late = expired(token, this.#platform.wallClock());
      this.#emitter.error(neverOpened(this.#options.url, this.#environment.origin, problem, late));
    }
    this.#retry(opened ? ending : { ...ending, reason: "not_opened" });
  }

  /** @param {Ending} ending */
  #retry({ reconnect, retryAfterMs = 0, code, reason }) {
    if (reconnect === "never") {
      this.#refused = true;
      this.#stop(reason);
      this.#evicted = code === TOO_MANY_CONNECTIONS;
      const message = "Herald asked the client not to reconnect; connect() tries again";
      return this.#emitter.error({ name: reason, message, code });
    }
    this.#reason = reason;
    this.#failed ||= this.current === null;
    if (this.#dialling || this.#next) return this.#report();
    // Reconnect at once only after a successful connection. A client that is refused repeatedly
    // backs off.
    const first = reconnect === "now" && this.#backoff.attempt === 0;
    const delay = this.#backoff.next();
    const now = this.#platform.now();
    this.#notBefore = Math.max(this.#notBefore, now + retryAfterMs);
    this.#timer.start(this.#notBefore - now + (first ? 0 : delay), () => this.#dial());
    this.#report();
  }

  #networkIsDown() {
    this.current?.doubt();
    this.#report();
  }

  /** Pings even if a frame arrived just now, because that frame may be from the old network. */
  #networkIsBack() {
    if (this.current) this.current.ping();
    else this.#reconnectNow();
    this.#report();
  }

  /** The tab is visible again. Checks the connection, because timers may have been suspended. */
  #shown() {
    if (this.#evicted) this.connect(); // not earlier: two tabs would evict each other forever
    else if (this.current) this.current.check();
    else this.#reconnectNow();
  }

  #reconnectNow() {
    if (this.#timer.running && this.#platform.now() >= this.#notBefore) this.connect();
  }

  #report() {
    const [state, reason] = this.#describe();
    if (state === this.state.state && reason === this.state.reason) return;
    this.state = { state, reason };
    this.#emitter.emit("state", state, reason);
  }

  /** @returns {[ConnectionState["state"], string]} */
  #describe() {
    if (!this.#open) return [this.#refused ? "refused" : "closed", this.#reason];
    if (this.current && !this.current.doubted) return ["live", "ready"];
    if (this.#next?.welcomed) return ["catching_up", "replay"];
    if (this.current || this.#environment.down) return ["offline", "network"];
    return this.#failed ? ["reconnecting", this.#reason] : ["connecting", "connect"];
  }
}

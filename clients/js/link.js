/**
 * @import { ConnectionState, HeraldOptions, Platform } from './types.js'
 * @import { Connection, Emitter, Inbox, Link, Owner, Stream } from './internal.js'
 */

import { openConnection } from "./connection.js";
import { FAILURES, RECONNECT_MAX_MS, RECONNECT_MIN_MS, STABLE_MS, TOKEN_MS, TOO_MANY_CONNECTIONS } from "./constants.js";
import { subject } from "./credential.js";
import { backoff, createTimers } from "./timers.js";

/** @typedef {[ConnectionState["state"], string]} Described a state and its reason */

/** @type {Described} */
const CONNECTING = ["connecting", "connect"];

/**
 * Keeps one connection to Herald: connecting, reconnecting and replacing it, and its state.
 *
 * @param {Platform} platform
 * @param {HeraldOptions<any>} options
 * @param {Stream} stream
 * @param {Inbox} inbox
 * @param {Emitter} emitter
 * @returns {Link}
 */
export function createLink(platform, { url, token }, stream, inbox, { emit, report }) {
  const { now, window, document } = platform;
  const timers = createTimers(platform);
  /** @type {ConnectionState} The state that the application has received. */
  let shown = { state: "closed", reason: "new" };
  /** @type {Described} The state without a connection. */
  let rest = CONNECTING;
  /** @type {Connection | undefined} The connection that is ready. */
  let current;
  /** @type {Connection | undefined} The connection that is being established: the first one, or the replacement of the current one. */
  let next;
  /** When the current connection became ready. */
  let readyAt = 0;
  /** Whether there should be a connection. */
  let open = false;
  /** Whether Herald closed the connection because the user had too many connections. */
  let evicted = false;
  /** Reconnects in a row without a stable connection. */
  let tries = 0;
  /** Sockets in a row that did not open. */
  let unopened = 0;
  /** The time before which the server does not want us to reconnect. */
  let notBefore = 0;
  /** Whether the network is down, as far as the browser knows, and whether nothing has arrived since it failed. */
  let down = false;
  let doubted = false;
  /** @type {AbortController | undefined} */
  let listening;

  /** @returns {Described} */
  const described = () => {
    if (current && !doubted) return ["live", "ready"];
    if (next?.replaying()) return ["catching_up", "replay"];
    return open && (current || down) ? ["offline", "network"] : rest;
  };

  /** Notifies the application of the state, if it has changed. */
  const changed = () => {
    const [state, reason] = described();
    if (state === shown.state && reason === shown.reason) return;
    shown = { state, reason };
    emit("state", [state, reason]);
  };

  const lose = () => {
    current?.close();
    current = undefined;
    stream.use();
    inbox.lost();
  };

  const dial = () => {
    timers.stop(dial);
    next = openConnection(platform, url, stream, owner);
    changed();
  };

  /** @param {Described} state */
  const stop = (...state) => {
    open = evicted = false;
    rest = state;
    timers.clear();
    next?.close();
    next = undefined;
    lose();
    changed();
  };

  /** @type {Owner} */
  const owner = {
    async token() {
      const fresh = await timers.within(TOKEN_MS, "token", token);
      return fresh.trim();
    },
    identify(fresh) {
      if (!stream.open(subject(fresh))) return;
      lose(); // The old connection belongs to another user.
      inbox.restart();
    },
    heard(connection) {
      if (connection === current) doubted = false;
      changed();
    },
    ready(connection) {
      current?.close();
      current = connection;
      next = undefined;
      readyAt = now();
      doubted = false;
      rest = CONNECTING;
      changed();
      stream.use(connection);
      inbox.ready();
    },
    replace() {
      if (!next) dial();
    },
    ended(connection, { reconnect, name: reason, code, retry_after_ms = 0, cause = "" }) {
      if (connection === current) {
        if (now() - readyAt >= STABLE_MS) tries = 0;
        lose();
      } else next = undefined;
      if (reason === "cannot_connect") report(reason, String(cause), { cause });
      else if (reason !== "not_opened" || down) unopened = 0;
      else if (++unopened === FAILURES) report("never_opened", neverOpened(url, cause), { cause });
      if (reconnect === "never") {
        stop("refused", reason);
        evicted = code === TOO_MANY_CONNECTIONS;
        return report(reason, "connect() tries again", { code });
      }
      if (!current) rest = ["reconnecting", reason];
      changed();
      if (next) return;
      // At once only after a successful connection. A client that is refused repeatedly backs off.
      const first = reconnect === "now" && tries === 0;
      const delay = backoff(platform, RECONNECT_MIN_MS, RECONNECT_MAX_MS, ++tries);
      notBefore = Math.max(notBefore, now() + retry_after_ms);
      timers.start(notBefore - now() + (first ? 0 : delay), dial);
    },
  };

  /**
   * Checks the connection, or reconnects at once.
   *
   * @param {boolean} [always] even if a frame arrived just now, because that frame may be from the old network
   */
  const wake = (always) => {
    if (current) always ? current.ping() : current.check();
    else if (timers.has(dial) && now() >= notBefore) connect();
  };

  /** Follows what a browser reports about its network and about the tab. Other environments report nothing. */
  const listen = () => {
    listening?.abort();
    const { signal } = (listening = new AbortController());
    down = !platform.onLine();
    /** @type {(target: typeof window, name: string, listener: () => void) => void} */
    const follow = (target, name, listener) => target?.addEventListener?.(name, listener, { signal });
    follow(window, "offline", () => {
      down = doubted = true;
      changed();
    });
    follow(window, "online", () => {
      down = false;
      wake(true);
      changed();
    });
    // The browser had frozen the tab, and with it the timers.
    follow(document, "resume", () => wake());
    follow(document, "visibilitychange", () => {
      if (document?.visibilityState === "hidden") return;
      if (evicted) connect(); // not earlier: two tabs would evict each other forever
      else wake();
    });
  };

  const connect = () => {
    if (!platform.WebSocket) throw new Error("no WebSocket: pass platform.WebSocket");
    listen();
    if (!open) rest = CONNECTING;
    open = true;
    evicted = false;
    if (next || current) return;
    tries = unopened = 0;
    dial();
  };

  return {
    connect,
    state: () => shown,
    close(reason) {
      listening?.abort();
      stop("closed", reason);
    },
    async cancel(generation) {
      const answer = await current?.request("cancel", { generation });
      return answer?.type === "cancel_ok";
    },
  };
}

/**
 * Explains why two sockets in a row did not open. A browser hides the reason from scripts, so the likely ones are named.
 *
 * @param {string} url
 * @param {unknown} problem what the socket reported, or ""
 */
function neverOpened(url, problem) {
  const origin = globalThis.location ? `${location.origin} is not in allowed_origins, ` : "";
  return `Likely causes: ${origin}the token is not valid, or ${url} is not the WebSocket API. ${problem}`;
}

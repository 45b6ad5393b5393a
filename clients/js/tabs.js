/** @import { Socket } from './types.js' */

import { subject } from "./credential.js";
import { Hub } from "./hub.js";

/** If the leading tab does not open a connection within this time, the browser has frozen it. */
const PATIENCE_MS = 2_000;

/** @type {Map<string, Promise<unknown>>} The locks for which this tab waits, or which it has. */
const candidates = new Map();

/**
 * A WebSocket that the tabs of a user share: `new Herald({ …, platform: { WebSocket: SharedWebSocket } })`.
 *
 * One tab leads: it has the connection, and passes frames on to the others. Each tab's client has its own position, so
 * every tab still receives each event exactly once. When the leading tab is closed, another one leads, and the clients
 * resume from their positions. Without Web Locks or BroadcastChannel, and if the leading tab does not respond, a tab has
 * a connection of its own.
 *
 * @implements {Socket}
 */
export class SharedWebSocket {
  /** @type {Socket["onopen"]} */
  onopen = null;
  /** @type {Socket["onmessage"]} */
  onmessage = null;
  /** @type {Socket["onclose"]} */
  onclose = null;
  /** @type {Socket["onerror"]} */
  onerror = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Socket | null} The tab's own connection. */
  #own = null;
  /** Whether the leading tab knows this socket. */
  #joined = false;
  #id = crypto.randomUUID();
  #timer;

  /**
   * @param {string} url
   * @param {string[]} protocols
   */
  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    // If the user is unknown, the connection cannot be shared: the other tab may be that of another user.
    const user = subject(protocols[1].slice("bearer.".length));
    if (!user || !globalThis.navigator?.locks || typeof BroadcastChannel !== "function") {
      this.#open();
      return;
    }
    const name = `herald:${url}:${user}`;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#timer = setTimeout(() => this.#open(), PATIENCE_MS);
    lead(name);
    this.#join();
  }

  /** @param {string} data */
  send(data) {
    if (this.#own) this.#own.send(data);
    else this.#tell({ send: data });
  }

  /** @param {number} [code] */
  close(code) {
    if (this.#own) this.#own.close(code);
    else if (this.#channel) this.#tell({ close: true });
    this.#leave();
  }

  /** @param {object} message */
  #tell(message) {
    this.#channel?.postMessage({ from: this.#id, ...message });
  }

  /** @param {any} message of the leading tab */
  #receive({ to, led, joined, opened, data, closed }) {
    // A new tab leads, and the connection of the one before is gone.
    if (led) return this.#joined ? this.#closed() : this.#join();
    if (!to?.includes(this.#id)) return;
    if (joined) {
      this.#joined = true;
      clearTimeout(this.#timer);
    } else if (opened) this.onopen?.();
    else if (data !== undefined) this.onmessage?.({ data });
    else if (closed) this.#closed();
  }

  #join() {
    const { url, protocols } = this;
    this.#tell({ open: { url, protocols } });
  }

  #closed() {
    if (!this.#channel) return;
    this.#leave();
    this.onclose?.();
  }

  #leave() {
    clearTimeout(this.#timer);
    this.#channel?.close();
    this.#channel = null;
  }

  /** Opens a connection of the tab's own. */
  #open() {
    this.#tell({ close: true });
    this.#leave();
    const own = (this.#own = /** @type {Socket} */ (new WebSocket(this.url, this.protocols)));
    own.onopen = (event) => this.onopen?.(event);
    own.onmessage = (message) => this.onmessage?.(message);
    own.onclose = (event) => this.onclose?.(event);
    own.onerror = (error) => this.onerror?.(error);
  }
}

/**
 * Leads as soon as no other tab does, until the tab is closed.
 *
 * @param {string} name
 */
function lead(name) {
  if (candidates.has(name)) return;
  const leading = () => {
    new Hub(new BroadcastChannel(name));
    return new Promise(() => {}); // The browser releases the lock when the tab is closed or crashes.
  };
  candidates.set(name, navigator.locks.request(name, leading).catch(() => candidates.delete(name)));
}

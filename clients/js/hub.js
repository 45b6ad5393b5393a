/** @import { Socket } from './types.js' */

import { Line } from "./line.js";

/** How much of its lifetime a connection may have used when a tab joins it. Clients replace it after nine tenths. */
const OLD = 0.8;

/** The leading tab's end: the connections of a user, and the tabs that use them. */
export class Hub {
  #channel;
  /** @type {Map<string, Line>} */
  #lines = new Map();
  /** @type {Line | null} The connection that tabs join. */
  #newest = null;

  /** @param {BroadcastChannel} channel */
  constructor(channel) {
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#receive(data);
    channel.postMessage({ led: true });
  }

  /** @param {any} message of a tab's socket */
  #receive({ from, open, send, close }) {
    const line = this.#lines.get(from);
    if (open && !line) this.#join(from, open);
    else if (send) line?.send(from, send);
    else if (close && line) {
      this.#lines.delete(from);
      line.leave(from);
    }
  }

  /**
   * @param {string} id
   * @param {{ url: string, protocols: string[] }} parts
   */
  #join(id, { url, protocols }) {
    if (!this.#newest || this.#newest.ended || this.#newest.used > OLD) {
      const socket = /** @type {Socket} */ (new WebSocket(url, protocols));
      this.#newest = new Line(socket, (to, message) => this.#tell(to, message));
    }
    this.#lines.set(id, this.#newest);
    this.#tell(id, { joined: true });
    this.#newest.join(id);
  }

  /**
   * @param {string | string[]} to
   * @param {{ joined?: true, opened?: true, closed?: true, data?: string }} message
   */
  #tell(to, message) {
    if (message.closed) for (const id of to) this.#lines.delete(id);
    this.#channel.postMessage({ to, ...message });
  }
}

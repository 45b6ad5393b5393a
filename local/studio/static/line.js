/**
 * WebSocket connections to Herald that the studio can interrupt in two ways. To the client library,
 * these interruptions look like real network failures.
 */
export class Line {
  #sockets = new Set();
  #down = false;

  /** A class for the client to use in place of the browser's WebSocket. */
  get WebSocket() {
    const open = (url, protocols) => this.#open(url, protocols);
    return class {
      constructor(url, protocols) {
        return open(url, protocols);
      }
    };
  }

  get down() {
    return this.#down;
  }

  /** Drops every connection silently: messages in transit are lost. */
  cut() {
    for (const socket of this.#sockets) {
      const { onclose } = socket;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      onclose?.call(socket);
    }
    this.#sockets.clear();
  }

  /** Drops every connection, and refuses new ones until `restore()`. */
  breakDown() {
    this.#down = true;
    dispatchEvent(new Event("offline")); // as the browser does when it loses its network
    this.cut();
  }

  restore() {
    this.#down = false;
    dispatchEvent(new Event("online"));
  }

  #open(url, protocols) {
    if (this.#down) return unreachable();
    const socket = new WebSocket(url, protocols);
    this.#sockets.add(socket);
    socket.addEventListener("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

/** A socket that closes before it opens, as if there were no network. */
function unreachable() {
  const socket = { onopen: null, onmessage: null, onclose: null, send() {}, close() {} };
  setTimeout(() => socket.onclose?.());
  return socket;
}

/** The line to Herald, with two ways to break it; the client library is not told. */
export class Line {
  #sockets = new Set();
  #down = false;

  /** The class to hand to the client in place of the browser's own. */
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

  /** Loses every connection without a word: nothing that is still on its way arrives. */
  cut() {
    for (const socket of this.#sockets) {
      const { onclose } = socket;
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      onclose?.call(socket);
    }
    this.#sockets.clear();
  }

  /** Cuts the line and keeps it cut until `restore()`. */
  breakDown() {
    this.#down = true;
    this.cut();
  }

  restore() {
    this.#down = false;
  }

  #open(url, protocols) {
    if (this.#down) return unreachable();
    const socket = new WebSocket(url, protocols);
    this.#sockets.add(socket);
    socket.addEventListener("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

/** A socket that ends before it opens, as without a network. */
function unreachable() {
  const socket = { onopen: null, onmessage: null, onclose: null, send() {}, close() {} };
  setTimeout(() => socket.onclose?.());
  return socket;
}

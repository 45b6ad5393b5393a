/**
 * Runs the JavaScript client with a clock that the test advances. Its WebSockets are the test's: both
 * talk over standard input and output, one JSON object per line.
 */
import { createInterface } from "node:readline";
import { Herald } from "../../clients/js/herald.js";
import { Clock, settle } from "../../clients/js/tests/world.js";

const tell = (message) => void process.stdout.write(`${JSON.stringify(message)}\n`);
const clock = new Clock();
const sockets = new Map();
let tokens = [];
let wake = () => {};

/** What the client waits for: sockets that open, frames that are not answered, and tokens. */
const waiting = new Set();

class Socket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  constructor(url, protocols) {
    this.number = sockets.size + 1;
    sockets.set(this.number, this);
    waiting.add(`open ${this.number}`);
    tell({ open: this.number, url, protocols });
  }

  send(data) {
    const { action, id } = JSON.parse(data);
    if (id !== undefined) waiting.add(`${this.number} ${id}`);
    tell({ send: this.number, action, data, at: clock.time });
  }

  close() {
    for (const each of waiting) if (each.startsWith(`${this.number} `)) waiting.delete(each);
    tell({ close: this.number, at: clock.time });
  }

  receive({ opened, frame }) {
    if (opened) {
      waiting.delete(`open ${this.number}`);
      this.onopen?.();
    } else if (frame !== undefined) {
      const { type, re, replaying } = JSON.parse(frame);
      if (type !== "welcome" || !replaying) waiting.delete(`${this.number} ${re}`);
      this.onmessage?.({ data: frame });
    } else {
      this.onclose?.();
    }
  }
}

/** Real time passes while the client waits for the server; its own clock stands still. */
clock.settled = async () => {
  await settle();
  while (waiting.size > 0) {
    await new Promise((resolve) => (wake = resolve));
    await settle();
  }
};

const [url] = process.argv.slice(2);
const herald = new Herald({
  url,
  token: () => {
    waiting.add("token");
    tell({ token: true });
    return new Promise((resolve) => tokens.push(resolve));
  },
  load: () => tell({ loaded: true }),
  platform: {
    WebSocket: Socket,
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    now: () => clock.wall,
    random: () => 0.5,
    onLine: () => true,
    sessionStorage: null,
    localStorage: null,
    window: null,
    document: null,
  },
});
herald.on("event", (event) => tell({ event: event.subject }));
herald.on("gap", (gap) => tell({ gap }));
herald.on("error", (error) => tell({ error: `${error.name}: ${error.message}` }));
herald.connect();

const commands = {
  advance: async (ms) => {
    await clock.advance(ms);
    tell({ advanced: clock.time });
  },
  dispose: () => {
    herald.dispose();
    tell({ disposed: true });
  },
  token: (token) => {
    waiting.delete("token");
    tokens.shift()(token);
  },
  socket: (news) => sockets.get(news.number).receive(news),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [[command, value]] = Object.entries(JSON.parse(line));
  commands[command](value);
  wake();
}

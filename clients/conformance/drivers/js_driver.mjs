/**
 * The driver of the JavaScript client: docs/conformance.md describes its lines.
 *
 *     node js_driver.mjs <folder of the client> <node_modules with ws>
 */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, packages] = process.argv.slice(2);
const { Herald } = await import(pathToFileURL(resolve(folder, "herald.js")));
const WebSocket = createRequire(`${resolve(packages)}/`)("ws");
const ABILITIES = ["jump", "online", "random", "shown", "store"];
const TURNS = 10;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const report = (kind, fields) => say({ report: kind, ...fields });

/** Lets everything run that does not wait for a clock or for the network. */
async function settle() {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise((done) => setImmediate(done));
}

/** Clocks that only the suite moves, in milliseconds. */
class Clock {
  now = 1_000_000;
  /** What `Date.now()` returns beyond `now`. */
  wall = Date.UTC(2026, 0, 1);
  #timers = new Map();
  #count = 0;

  setTimeout = (callback, ms) => {
    this.#timers.set(++this.#count, { at: this.now + ms, callback });
    return this.#count;
  };
  clearTimeout = (timer) => void this.#timers.delete(timer);

  /** Moves the clock to the next timer, at most by `ms`; returns how far. */
  async advance(ms) {
    const next = [...this.#timers].sort(([, one], [, other]) => one.at - other.at)[0];
    const at = Math.min(this.now + ms, Math.max(this.now, next ? next[1].at : Infinity));
    const moved = at - this.now;
    this.now = at;
    if (next && next[1].at <= at) {
      this.#timers.delete(next[0]);
      next[1].callback();
    }
    await settle();
    return moved;
  }
}

let sockets = 0;

/** A WebSocket that reports its state. */
class ReportedWebSocket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    const socket = ++sockets;
    report("socket", { socket, state: "opening" });
    this.on("open", () => report("socket", { socket, state: "open" }));
    this.on("close", () => report("socket", { socket, state: "closed" }));
    this.on("error", () => {}); // "close" follows
  }
}

/** A tab's storage; the suite passes its content on to the next client. */
class Storage {
  constructor(text) {
    this.items = new Map(Object.entries(JSON.parse(text ?? "{}")));
  }
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => void this.items.set(key, value);
  removeItem = (key) => void this.items.delete(key);
  get text() {
    return JSON.stringify(Object.fromEntries(this.items));
  }
}

/** The page that uses the client: it handles each event, unless it was told to fail. */
class Page {
  clock = new Clock();
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });

  constructor({ url, tokens, stored, random, fail = [], hold_loads: hold = false }) {
    this.storage = new Storage(stored);
    this.held = new Promise((loaded) => (this.loaded = loaded));
    if (!hold) this.loaded();
    const { clock, window, document } = this;
    const { setTimeout, clearTimeout } = clock;
    Date.now = () => clock.now + clock.wall;
    const herald = (this.herald = new Herald({
      url,
      token: () => tokens.shift(),
      load: async ({ reason }) => {
        report("load", { reason });
        await this.held;
        report("loaded", { reason });
      },
      platform: {
        WebSocket: ReportedWebSocket, setTimeout, clearTimeout, window, document,
        now: () => clock.now,
        random: () => random,
        onLine: () => true,
        sessionStorage: this.storage,
        localStorage: null,
      },
    }));
    herald.on("event", ({ id }, { offset }) => {
      report("event", { id, offset });
      if (fail.includes(id)) throw new Error("told to fail");
    });
    herald.on("progress", ({ id }) => report("progress", { id }));
    herald.on("gap", ({ reason, head }) => report("gap", { reason, head }));
    herald.on("error", () => {});
    herald.on("state", (state) => state === "refused" && report("closed", {}));
    herald.connect();
  }
}

let page = null;

const COMMANDS = {
  start: (options) => void (page = new Page(options)),
  advance: async ({ seconds }) => ({ moved: (await page.clock.advance(seconds * 1_000)) / 1_000 }),
  jump: ({ seconds }) => void (page.clock.wall += seconds * 1_000),
  online: () => void page.window.dispatchEvent(new Event("online")),
  shown: () => void page.document.dispatchEvent(new Event("visibilitychange")),
  loaded: () => void page.loaded(),
  settle: () => {},
  stop: () => {
    const stored = page.storage.text;
    page.herald.dispose();
    return { stored };
  },
};

report("ready", { can: ABILITIES });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = await COMMANDS[command.do](command);
  await settle();
  say({ done: command.do, ...answer });
}

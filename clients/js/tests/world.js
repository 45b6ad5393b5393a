/**
 * A deterministic environment for the client, with a clock that only the tests advance and a
 * scripted Herald.
 */
import { Herald } from "../herald.js";

export const E1 = "01960000-0000-7000-8000-000000000001";
export const E2 = "01970000-0000-7000-8000-000000000002";
export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;

export class Clock {
  /** The monotonic clock, which timers follow. */
  time = 12_345;
  /** The wall clock minus the monotonic clock; a test may set it back or forward. */
  wallOffset = Date.UTC(2026, 0, 1);
  /** What the clock waits for after each timer. */
  settled = settle;
  #timers = new Map();
  #lastId = 0;

  setTimeout = (callback, ms) => {
    this.#timers.set(++this.#lastId, { at: this.time + ms, callback });
    return this.#lastId;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  get wall() {
    return this.time + this.wallOffset;
  }

  get pending() {
    return this.#timers.size;
  }

  /** Advances the clock by `ms` and runs the due timers in order; promises settle after each. */
  async advance(ms) {
    const end = this.time + ms;
    await this.settled();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#timers.delete(id);
      this.time = Math.max(this.time, timer.at);
      timer.callback();
      await this.settled();
    }
    this.time = end;
  }
}

/** Waits until all promises that can settle have settled. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

export class MemoryStorage {
  items = new Map();
  getItem(key) {
    return this.items.get(key) ?? null;
  }
  setItem(key, value) {
    this.items.set(key, value);
  }
  removeItem(key) {
    this.items.delete(key);
  }
}

/**
 * The server's end of one connection. It records received frames and sends the frames of the test.
 */
class Peer {
  sent = [];
  closed = null;

  constructor(socket, url, protocols) {
    this.socket = socket;
    this.url = url;
    this.protocols = protocols;
  }

  /** Frames of one action, in order. */
  got(action) {
    return this.sent.filter((frame) => frame.action === action);
  }

  last(action) {
    const frame = this.got(action).at(-1);
    if (!frame) throw new Error(`no ${action} among ${JSON.stringify(this.sent)}`);
    return frame;
  }

  async open() {
    this.socket.onopen?.();
    await settle();
  }

  async say(...frames) {
    for (const frame of frames) this.socket.onmessage?.({ data: JSON.stringify(frame) });
    await settle();
  }

  async drop() {
    this.socket.onclose?.();
    await settle();
  }

  welcome(head = 0, fields = {}) {
    return this.say({
      type: "welcome",
      re: this.last("hello").id,
      connection: "c1",
      time: "2026-01-01T00:00:00Z",
      stream: { epoch: E1, head },
      recovered: "resume" in this.last("hello"),
      replaying: 0,
      ping_ms: 270 * SECOND,
      lifetime_ms: 110 * MINUTE,
      token_ms: 15 * MINUTE,
      max_frame: 32_768,
      ...fields,
    });
  }

  caughtUp(offset, action = "hello") {
    return this.say({ type: "caught_up", re: this.last(action).id, offset });
  }
}

export function frame(offset, { epoch = offset === null ? null : E1, replayed = false, id = `event-${offset}` } = {}) {
  return { type: "event", epoch, offset, replayed, event: { id, type: "herald.generation.complete", subject: `generation-${id}`, data: {} } };
}

/** A result of a generation, with the time of its offset. */
export function result(subject, offset, fields = {}) {
  const data = {
    status: "COMPLETE",
    prompt: null,
    imageUrl: `https://images.example/${subject}.png`,
    updatedAt: at(100 + (offset ?? 0)),
    ...fields,
  };
  const sent = frame(offset, { id: `event-${offset}` });
  return { ...sent, event: { ...sent.event, type: `herald.generation.${data.status.toLowerCase()}`, subject, data } };
}

/** A row of the application, `second` seconds after a fixed time. */
export function row(id, status, second) {
  return { id, status, prompt: "a prompt", title: `title of ${id}`, imageUrl: null, updatedAt: at(second) };
}

export function close(code, reconnect, retry_after_ms = 0, name = "n") {
  return { type: "close", code, name, reconnect, retry_after_ms };
}

/** An unsigned JWT. */
export function jwt(sub, claims = {}) {
  const payload = Buffer.from(JSON.stringify({ sub, ...claims })).toString("base64url");
  return `e30.${payload}.signature`;
}

function at(second) {
  return new Date(Date.UTC(2026, 0, 1) + second * SECOND).toISOString();
}

/** A progress event, `second` seconds after a fixed time. */
export function progress(subject, second, fields = {}) {
  const id = `progress-${subject}-${second}`;
  const time = at(second);
  const event = { id, type: "herald.generation.progress", subject, time, data: { progress: 0.5 } };
  return { type: "event", epoch: null, offset: null, replayed: false, event, ...fields };
}

/** One client and its platform, with a record of everything that the application receives. */
export class World {
  clock = new Clock();
  peers = [];
  tokens = [];
  log = [];
  events = [];
  progress = [];
  states = [];
  gaps = [];
  loads = [];
  errors = [];
  random = 0.5;
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  sessionStorage = new MemoryStorage();
  localStorage = new MemoryStorage();

  /** Returns a client that connects, with the handlers `on` besides those of the record. */
  client({ on = {}, offline = false, ...options } = {}) {
    const world = this;
    const origin = this.clock.wallOffset;
    class FakeWebSocket {
      onopen = null;
      onmessage = null;
      onclose = null;
      onerror = null;
      constructor(url, protocols) {
        this.peer = new Peer(this, url, protocols);
        world.peers.push(this.peer);
      }
      send(data) {
        this.peer.sent.push(JSON.parse(data));
      }
      close(code) {
        this.peer.closed = code;
      }
    }
    const herald = new Herald({
      url: "wss://herald.example/test",
      token: async () => {
        this.tokens.push(`token-${this.tokens.length + 1}`);
        return this.tokens.at(-1);
      },
      load: ({ reason }) => {
        this.loads.push(reason);
        this.log.push(`load ${reason}`);
      },
      platform: {
        WebSocket: FakeWebSocket,
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        now: () => this.clock.time + origin,
        random: () => this.random,
        onLine: () => !offline,
        sessionStorage: this.sessionStorage,
        localStorage: this.localStorage,
        window: this.window,
        document: this.document,
      },
      ...options,
    });
    herald.on("event", (event, place) => {
      this.events.push({ id: event.id, ...place });
      this.log.push(event.id);
    });
    herald.on("progress", (event) => {
      this.progress.push(event.id);
      this.log.push(event.id);
    });
    herald.on("state", (state) => this.states.push(state));
    herald.on("gap", (gap) => {
      this.gaps.push(gap);
      this.log.push("gap");
    });
    herald.on("error", (error) => this.errors.push(error));
    for (const [name, handler] of Object.entries(on)) herald.on(name, handler);
    herald.connect();
    return herald;
  }

  get peer() {
    return this.peers.at(-1);
  }

  get ids() {
    return this.events.map((event) => event.id);
  }

  /** Returns a client that is live at `head`, and the server's end of its connection. */
  async live(head = 0, options = {}) {
    const herald = this.client(options);
    await settle();
    await this.peer.open();
    await this.peer.welcome(head, options.welcome);
    return { herald, peer: this.peer };
  }

  /** Waits for the next connection and opens it, so that the client says hello. */
  async reconnected(within = 30 * SECOND) {
    const before = this.peers.length;
    const end = this.clock.time + within;
    while (this.peers.length === before && this.clock.time < end) await this.clock.advance(50);
    if (this.peers.length === before) throw new Error("the client did not reconnect");
    await this.peer.open();
    return this.peer;
  }
}

/**
 * @import { Generation, HeraldOptions, Platform, Result, Socket } from './types.js'
 */

const EPOCH = "01960000-0000-7000-8000-000000000001";
/** So many promises may settle until the client has reacted to a message. */
const TURNS = 100;

/**
 * A Herald in memory, for an application's own tests: the real client talks to it without a network.
 *
 * ```js
 * const fake = new FakeHerald();
 * const herald = new Herald({ ...fake.options, load });
 * herald.connect();
 * await fake.complete("id-1", { imageUrl: "https://images.example.com/1.png" });
 * ```
 *
 * `complete`, `fail`, `progress`, `drop` and `refuse` return a promise that is resolved when the client has connected and
 * has received what was sent. Dispose of the client at the end of the test: its timers would keep Node.js running.
 */
export class FakeHerald {
  /** @type {any[]} The frames of all events of the stream. */
  #stream = [];
  /** @type {Map<string, any>} The newest progress of each running generation. */
  #running = new Map();
  /** @type {Set<FakeSocket>} */
  #sockets = new Set();
  /** Events up to this offset cannot be replayed. */
  #expired = 0;
  #silent = false;
  #count = 0;
  /** While true, no connection opens. */
  refusing = false;

  /**
   * Options of the client that connect it to this Herald. Spread them, and add your own.
   *
   * @returns {Pick<HeraldOptions, "url" | "token" | "user"> & { platform: Partial<Platform> }}
   */
  get options() {
    const herald = this;
    const WebSocket = class extends FakeSocket {
      constructor() {
        super({
          opening: (socket) => herald.#opening(socket),
          received: (socket, frame) => herald.#received(socket, frame),
          left: (socket) => herald.#sockets.delete(socket),
        });
      }
    };
    return {
      url: "wss://herald.test/fake",
      token: () => "token",
      user: "test",
      platform: { WebSocket, sessionStorage: null, localStorage: null },
    };
  }

  /** The number of open connections. */
  get connections() {
    return this.#sockets.size;
  }

  /**
   * Completes a generation.
   *
   * @param {string} id
   * @param {Partial<Result>} [data]
   */
  complete(id, data = {}) {
    return this.#publish(id, "complete", { status: "COMPLETE", ...data });
  }

  /**
   * Fails a generation.
   *
   * @param {string} id
   * @param {{ code?: string, message?: string, providerCode?: string }} [error]
   */
  fail(id, error = {}) {
    const failure = { code: "generation_failed", message: "The generation failed.", ...error };
    return this.#publish(id, "error", { status: "ERROR", error: failure });
  }

  /**
   * Reports progress.
   *
   * @param {string} id
   * @param {number | null} progress from 0 to 1
   * @param {{ step?: string | null, previewUrl?: string | null }} [more]
   */
  async progress(id, progress, { step = null, previewUrl = null } = {}) {
    await settled();
    const event = this.#event(id, "progress", { status: "PENDING", progress, step, previewUrl });
    const frame = { type: "event", epoch: null, offset: null, event };
    this.#running.set(id, frame);
    return this.#send({ ...frame, replayed: false });
  }

  /** Loses the messages that would be sent until `resume()`; their events are replayed after a reconnect. */
  pause() {
    this.#silent = true;
  }

  resume() {
    this.#silent = false;
  }

  /** Drops all connections, as a network does that changes. The client reconnects by itself. */
  async drop() {
    await settled();
    for (const socket of [...this.#sockets]) socket.end();
    return settled();
  }

  /**
   * Ends all connections for good, as an operator does who revokes a user's sessions.
   *
   * @param {string} [name]
   * @param {number} [code]
   */
  async refuse(name = "revoked", code = 4011) {
    await settled();
    return this.#send({ type: "close", code, name, reconnect: "never" });
  }

  /** Forgets all events so far: a client that has missed some gets a gap when it reconnects. */
  expire() {
    this.#expired = this.#stream.length;
  }

  /** Resolves when the client has received what was sent so far. */
  settled() {
    return settled();
  }

  /**
   * @param {string} id
   * @param {"complete" | "error"} kind
   * @param {object} data
   */
  async #publish(id, kind, data) {
    await settled();
    const frame = { type: "event", epoch: EPOCH, offset: this.#stream.length + 1, event: this.#event(id, kind, data) };
    this.#stream.push(frame);
    this.#running.delete(id);
    return this.#send({ ...frame, replayed: false });
  }

  /**
   * @param {string} subject
   * @param {string} kind
   * @param {object} data
   */
  #event(subject, kind, data) {
    this.#count += 1;
    const time = new Date(Date.now() + this.#count).toISOString(); // later than the event before
    const nothing = { prompt: null, imageUrl: null, imageHeight: null, imageWidth: null, coreModel: null, createdAt: null };
    const type = `herald.generation.${kind}`;
    const meta = { specversion: "1.0", id: `event-${this.#count}`, source: "herald/test", type, subject, time };
    const rest = { datacontenttype: "application/json", userid: "test" };
    return { ...meta, ...rest, data: { ...nothing, updatedAt: time, ...data } };
  }

  /** @param {FakeSocket} socket */
  #opening(socket) {
    if (this.refusing) return false;
    this.#sockets.add(socket);
    return true;
  }

  /**
   * @param {FakeSocket} socket
   * @param {any} frame
   */
  #received(socket, { action, id: re, resume, since, limit }) {
    const head = this.#stream.length;
    const stream = { epoch: head ? EPOCH : null, head };
    if (action === "hello") this.#welcome(socket, re, resume, stream);
    else if (action === "history") this.#replay(socket, re, since, since + limit);
    else if (action === "ping") this.#send({ type: "pong", re, ...stream }, socket);
    else if (action === "auth") this.#send({ type: "auth_ok", re, token_ms: null }, socket);
  }

  /**
   * @param {FakeSocket} socket
   * @param {number} re
   * @param {{ epoch?: string, offset: number } | undefined} resume
   * @param {{ epoch: string | null, head: number }} stream
   */
  #welcome(socket, re, resume, stream) {
    const { head, epoch } = stream;
    const recovered = resume !== undefined && resume.offset >= this.#expired && resume.offset <= head;
    const replaying = recovered ? head - resume.offset : 0;
    const limits = { ping_ms: 270_000, lifetime_ms: 6_600_000, token_ms: null };
    this.#send({ type: "welcome", re, stream, recovered, replaying, ...limits }, socket);
    if (replaying) this.#replay(socket, re, resume?.offset ?? head, head);
    else if (resume && !recovered) {
      const gap = { requested: resume, epoch, earliest: this.#expired + 1, head, reason: "expired" };
      this.#send({ type: "gap", re, ...gap }, socket);
    }
    for (const progress of this.#running.values()) this.#send({ ...progress, replayed: true }, socket);
  }

  /**
   * @param {FakeSocket} socket
   * @param {number} re
   * @param {number} from
   * @param {number} to
   */
  #replay(socket, re, from, to) {
    const items = this.#stream.slice(from, to).map((frame) => ({ ...frame, replayed: true }));
    if (items.length > 0) this.#send({ type: "events", items }, socket);
    this.#send({ type: "caught_up", re, offset: Math.min(to, this.#stream.length) }, socket);
  }

  /**
   * @param {object} frame
   * @param {FakeSocket} [only]
   */
  #send(frame, only) {
    const sockets = only ? [only] : [...this.#sockets];
    if (!this.#silent) for (const socket of sockets) socket.deliver(frame);
    return settled();
  }
}

/** @implements {Socket} */
class FakeSocket {
  /** @type {Socket["onopen"]} */
  onopen = null;
  /** @type {Socket["onmessage"]} */
  onmessage = null;
  /** @type {Socket["onclose"]} */
  onclose = null;
  /** @type {Socket["onerror"]} */
  onerror = null;
  #owner;

  /**
   * @param {{ opening(socket: FakeSocket): boolean, received(socket: FakeSocket, frame: any): void,
   *   left(socket: FakeSocket): void }} owner
   */
  constructor(owner) {
    this.#owner = owner;
    queueMicrotask(() => (owner.opening(this) ? this.onopen?.() : this.onclose?.()));
  }

  /** @param {string} data */
  send(data) {
    queueMicrotask(() => this.#owner.received(this, JSON.parse(data)));
  }

  close() {
    this.#owner.left(this);
  }

  /** @param {object} frame */
  deliver(frame) {
    queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(frame) }));
  }

  end() {
    this.#owner.left(this);
    this.onclose?.();
  }
}

/** Promises only, no timers: tests may have replaced the timers. */
async function settled() {
  for (let turn = 0; turn < TURNS; turn += 1) await null;
}

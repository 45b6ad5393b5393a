/**
 * @import { Platform, Socket } from './types.js'
 * @import { Ending, Frame } from './internal.js'
 * @import { Stream } from './stream.js'
 */

import { Clock } from "./clock.js";
import { attempt } from "./platform.js";
import { Upkeep } from "./upkeep.js";

const ANSWER_MS = 10_000;
const ROTATION_SPREAD = 0.1;
const BAD_FRAME = 4012;
const RATE_LIMITED = 4102;
const LEAST_PAUSE_MS = 1_000;

/**
 * Who uses the connection.
 *
 * @typedef {object} Owner
 * @property {() => Promise<string>} token returns a fresh token
 * @property {(token: string) => void} identify the token is about to be used
 * @property {() => void} changed
 * @property {(connection: Connection) => void} ready
 * @property {(connection: Connection) => void} rotate it is time to replace the connection
 * @property {(connection: Connection, ending: Ending) => void} ended
 */

/** One WebSocket connection from the token to the close, with requests and responses, keep-alive and token renewal. */
export class Connection {
  /**
   * `greeting` from hello on, `replaying` from the welcome on, `ready` once the replay is complete or known to be impossible.
   *
   * @type {"opening" | "greeting" | "replaying" | "ready" | "ended"}
   */
  phase = "opening";
  /** When it became ready. */
  readyAt = Infinity;
  /** The network failed, and nothing has arrived since. */
  doubted = false;
  token = "";
  /** What the socket reported. Only Node.js's `ws` tells why a socket did not open. */
  problem = "";
  #platform;
  #url;
  #stream;
  #owner;
  /** @type {Socket | null} */
  #socket = null;
  /** Whether nothing is left to be replayed. */
  #settled = false;
  #helloAt = 0;
  #lastId = 0;
  /** @type {Map<number, (answer: Frame | null) => void>} */
  #requests = new Map();
  #clock;

  /**
   * @param {Platform} platform
   * @param {string} url
   * @param {Stream} stream
   * @param {Owner} owner
   */
  constructor(platform, url, stream, owner) {
    const clock = new Clock(platform);
    this.#platform = platform;
    this.#url = url;
    this.#stream = stream;
    this.#owner = owner;
    this.#clock = clock;
    this.upkeep = new Upkeep(clock, this, stream, () => owner.token());
    this.#open();
  }

  get #ended() {
    return this.phase === "ended";
  }

  /**
   * Sends a frame. Returns the response, or null if none arrives in time or the connection ends.
   *
   * @param {string} action
   * @param {object} fields
   * @returns {Promise<Frame | null>}
   */
  request(action, fields) {
    return new Promise((resolve) => {
      if (this.#ended) return resolve(null);
      const id = ++this.#lastId;
      this.#requests.set(id, resolve);
      this.#clock.start(id, ANSWER_MS, () => this.#answer(id, null));
      this.send({ action, id, ...fields });
    });
  }

  /** @param {object} frame */
  send(frame) {
    this.#socket?.send(JSON.stringify(frame));
    this.upkeep.activeAt = this.#clock.now;
  }

  /** @param {string} reason */
  lost(reason) {
    this.#end({ reconnect: "backoff", reason: this.phase === "opening" ? "not_opened" : reason });
  }

  /** Closes the connection without notifying the owner. */
  close() {
    this.phase = "ended";
    this.#clock.end();
    for (const id of this.#requests.keys()) this.#answer(id, null);
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
  }

  /**
   * Closes the connection and notifies the owner, once.
   *
   * @param {Ending} ending
   */
  #end(ending) {
    if (this.#ended) return;
    this.close();
    this.#owner.ended(this, ending);
  }

  async #open() {
    try {
      await null; // Not at once: a component that is mounted, unmounted and mounted again opens one connection.
      if (this.#ended) return;
      this.token = await this.#owner.token();
      if (this.#ended) return;
      this.#owner.identify(this.token);
      this.#connect();
    } catch (cause) {
      this.#end({ reconnect: "backoff", reason: "cannot_connect", cause });
    }
  }

  #connect() {
    const socket = (this.#socket = new this.#platform.WebSocket(this.#url, ["herald.v1", `bearer.${this.token}`]));
    socket.onopen = () => this.#hello();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.lost("connection_lost");
    // `onclose` follows. Without an `onerror` handler, Node's `ws` throws the error, even after close().
    socket.onerror = (error) => void (this.problem = error?.message ?? "");
    this.#expectFrames();
  }

  /** Until the connection is ready, frames must keep arriving. */
  #expectFrames(later = 0) {
    this.#clock.start("frames", later + ANSWER_MS, () => this.lost("no_answer"));
  }

  async #hello() {
    const resume = this.#stream.position;
    this.phase = "greeting";
    this.#expectFrames();
    this.#settled = resume === null;
    this.#helloAt = this.#clock.now;
    const answer = await this.request("hello", resume ? { resume } : {});
    if (answer?.type !== "error") return;
    if (answer.code === RATE_LIMITED) return this.#helloLater(answer.retry_after_ms ?? 0);
    if (!resume || answer.code !== BAD_FRAME) return this.#end(ending(answer));
    this.#stream.refused();
    this.#hello();
  }

  /**
   * Repeats hello on this connection, which receives live events in the meantime.
   *
   * @param {number | undefined} ms
   */
  #helloLater(ms = 0) {
    const wait = Math.max(LEAST_PAUSE_MS, ms);
    this.#clock.start("hello", wait, () => this.#hello());
    this.#expectFrames(wait);
  }

  /** @param {string} data */
  #receive(data) {
    const frame = attempt(() => JSON.parse(data));
    this.upkeep.heardAt = this.upkeep.activeAt = this.#clock.now;
    this.doubted = false;
    if (typeof frame?.type === "string") this.#process(frame);
    // When a route fails, API Gateway sends its own message, which has no type.
    else if (this.phase === "greeting") this.lost("hello_failed");
    this.#owner.changed();
  }

  /** @param {Frame} frame */
  #process(frame) {
    if (frame.type === "close") return this.#end(ending(frame));
    if (this.phase !== "ready" && !this.#clock.has("hello")) this.#expectFrames();
    if (frame.type === "welcome") this.#welcome(frame);
    this.#stream.receive(frame, this);
    // Before the connection is ready, only hello is answered like this.
    if (frame.type === "caught_up" || frame.type === "gap") this.#settled = true;
    this.#answer(frame.re, frame);
    if (this.phase !== "replaying" || !this.#settled) return;
    this.phase = "ready";
    this.readyAt = this.#clock.now;
    this.#clock.stop("frames");
    this.#owner.ready(this);
  }

  /** @param {Extract<Frame, { type: "welcome" }>} frame */
  #welcome(frame) {
    this.phase = "replaying";
    if (frame.recovered && !frame.replaying) this.#settled = true;
    // Random lifetimes, because clients that reconnected together after an outage must not all reconnect together again
    // two hours later.
    const lifetime = frame.lifetime_ms * (1 - ROTATION_SPREAD * this.#clock.random);
    this.#clock.start("lifetime", lifetime, () => this.#owner.rotate(this));
    this.upkeep.start(frame, this.#helloAt, lifetime);
  }

  /**
   * @param {number | null | undefined} id
   * @param {Frame | null} frame
   */
  #answer(id, frame) {
    const answered = this.#requests.get(id ?? 0);
    this.#clock.stop(id);
    this.#requests.delete(id ?? 0);
    answered?.(frame);
  }
}

/**
 * How a frame ends the connection.
 *
 * @param {Extract<Frame, { type: "close" | "error" }>} frame
 * @returns {Ending}
 */
function ending(frame) {
  const { code, name: reason, retry_after_ms: retryAfterMs } = frame;
  const closed = frame.type === "close";
  const range = Math.floor(code / 100);
  const byCode = range === 40 ? "never" : range === 42 && closed ? "now" : "backoff";
  return { reconnect: (closed && frame.reconnect) || byCode, retryAfterMs, code, reason };
}

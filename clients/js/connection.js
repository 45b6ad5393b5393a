/**
 * @import { Platform, Socket, StreamPosition } from './types.js'
 * @import { Ending, Frame } from './internal.js'
 */

import { Keepalive } from "./keepalive.js";
import { Renewal } from "./renewal.js";

const ANSWER_MS = 10_000;
const PING_AGAIN_MS = 20_000;
const ROTATION_SPREAD = 0.1;
const MAX_TIMER_MS = 2 ** 31 - 1;
const BAD_FRAME = 4012;
const RATE_LIMITED = 4102;
const LEAST_PAUSE_MS = 1_000;

/**
 * One WebSocket connection from hello to close, with requests and responses, keep-alive and token
 * renewal.
 *
 * The connection is ready after the welcome, once its replay is complete or known to be impossible.
 */
export class Connection {
  welcomed = false;
  /** Whether the socket has opened, and what it reported before. Only Node.js's `ws` tells why a socket did not open. */
  opened = false;
  problem = "";
  /** @type {number | null} When it became ready. */
  readyAt = null;
  /** The network failed, and nothing has arrived since. */
  doubted = false;
  #platform;
  #owner;
  /** @type {Socket} */
  #socket;
  #settled = false;
  #ended = false;
  #heardAt = 0;
  #lastId = 0;
  #helloId = 0;
  #helloAt = 0;
  /** @type {Map<number, { timer: unknown, answered: (frame: Frame | null) => void }>} */
  #requests = new Map();
  /** @type {Map<string, unknown>} */
  #timers = new Map();
  #keepalive;
  #renewal;

  /**
   * @param {{ platform: Platform, url: string, token: string, owner: {
   *   token(): Promise<string>,
   *   position(): StreamPosition | null,
   *   frame(connection: Connection, frame: Frame): void,
   *   changed(): void,
   *   positionRefused(): void,
   *   ready(connection: Connection): void,
   *   rotate(connection: Connection): void,
   *   ended(connection: Connection, ending: Ending): void } }} parts
   */
  constructor({ platform, url, token, owner }) {
    this.#platform = platform;
    this.#owner = owner;
    this.#keepalive = new Keepalive({
      platform,
      keepalive: () => this.#send({ action: "keepalive" }),
      ping: (tries) => this.ping(tries),
    });
    this.#renewal = new Renewal({
      platform,
      token: () => owner.token(),
      send: (token, answered) => this.request("auth", { token }, answered),
    });
    this.#socket = new platform.WebSocket(url, ["herald.v1", `bearer.${token}`]);
    this.#socket.onopen = () => this.#hello();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = () => this.end({ reconnect: "backoff", reason: "connection_lost" });
    // `onclose` follows. Without an `onerror` handler, Node's `ws` throws the error, even after
    // close().
    this.#socket.onerror = (error) => void (this.problem = error?.message ?? "");
    this.#expectProgress();
  }

  /**
   * Sends a frame; `answered` gets the response, or null if none arrives in time.
   *
   * @param {string} action
   * @param {object} fields
   * @param {(frame: Frame | null) => void} answered
   */
  request(action, fields, answered) {
    const id = ++this.#lastId;
    const timer = this.#platform.setTimeout(() => this.#answer(id, null), ANSWER_MS);
    this.#requests.set(id, { timer, answered });
    this.#send({ action, id, ...fields });
    return id;
  }

  /** @param {object} frame */
  #send(frame) {
    this.#socket.send(JSON.stringify(frame));
    this.#keepalive.active();
  }

  /**
   * Checks that the server still answers, and requests the stream's head.
   *
   * Any received frame counts as an answer. If none arrives and `tries` is above one, the client
   * pings again. The first ping may have been throttled on a working connection, and reconnecting
   * would only add to the load.
   */
  ping(tries = 1) {
    if (!this.welcomed || this.#ended) return;
    const askedAt = this.#platform.now();
    this.#keepalive.pinged();
    this.request("ping", this.#owner.position() ?? {}, (answer) => {
      if (answer?.type === "pong") this.#keepalive.proven(askedAt);
      if (answer || this.#heardAt > askedAt) return;
      if (tries === 1) return this.end({ reconnect: "backoff", reason: "no_pong" });
      this.#startTimer("ping again", this.#platform.random() * PING_AGAIN_MS, () => this.ping(tries - 1));
    });
  }

  /** Pings, unless the stream's head became known just now. */
  check() {
    if (!this.#keepalive.recent) this.ping();
  }

  /** The newest event of the stream arrived, so no earlier one is missing unnoticed. */
  current() {
    this.#keepalive.proven(this.#platform.now());
  }

  /**
   * Closes the connection and notifies the owner, once.
   *
   * @param {Ending} ending
   */
  end(ending) {
    if (this.#ended) return;
    this.close();
    this.#owner.ended(this, ending);
  }

  /** The network is down: the connection is not live until a frame arrives. */
  doubt() {
    this.doubted = true;
    this.#owner.changed();
  }

  #trust() {
    if (!this.doubted) return;
    this.doubted = false;
    this.#owner.changed();
  }

  /** Closes the connection without notifying the owner. */
  close() {
    this.#ended = true;
    this.#keepalive.stop();
    this.#renewal.stop();
    for (const { timer } of this.#requests.values()) this.#platform.clearTimeout(timer);
    for (const timer of this.#timers.values()) this.#platform.clearTimeout(timer);
    this.#requests.clear();
    this.#timers.clear();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
  }

  #hello() {
    this.opened = true;
    this.#expectProgress();
    const resume = this.#owner.position();
    this.#settled = resume === null;
    const fields = resume ? { resume } : {};
    this.#helloAt = this.#platform.now();
    // A request that times out (null) is ignored here: the progress timer already ends a connection
    // on which no frame arrives.
    this.#helloId = this.request("hello", fields, (answer) => {
      if (answer?.type !== "error") return;
      if (answer.code === RATE_LIMITED) return this.#helloLater(answer.retry_after_ms);
      if (!resume || answer.code !== BAD_FRAME) return this.end(refusal(answer));
      this.#owner.positionRefused();
      this.#hello();
    });
  }

  /**
   * Repeats hello on this connection, which receives live events in the meantime.
   *
   * @param {number | undefined} ms
   */
  #helloLater(ms = 0) {
    const wait = Math.max(LEAST_PAUSE_MS, ms);
    this.#startTimer("hello", wait, () => this.#hello());
    this.#expectProgress(wait);
  }

  /** @param {string} data */
  #receive(data) {
    /** @type {any} */
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      frame = null;
    }
    this.#heardAt = this.#platform.now();
    this.#keepalive.active();
    this.#trust();
    if (typeof frame?.type !== "string") {
      // When a route fails, API Gateway sends its own message, which has no type.
      if (!this.welcomed) this.end({ reconnect: "backoff", reason: "hello_failed" });
      return;
    }
    if (this.readyAt === null && !this.#timers.has("hello")) this.#expectProgress();
    if (frame.type === "close") return this.end(closing(frame));
    if (frame.type === "welcome") this.#welcome(frame);
    this.#owner.frame(this, frame);
    if (this.#ended) return;
    if (frame.re === this.#helloId && (frame.type === "caught_up" || frame.type === "gap")) this.#settled = true;
    this.#answer(frame.re, frame);
    if (this.#ended || this.readyAt !== null || !this.welcomed) return;
    if (!this.#settled) return this.#owner.changed();
    this.readyAt = this.#platform.now();
    this.#stopTimer("progress");
    this.#owner.ready(this);
  }

  /** @param {Extract<Frame, { type: "welcome" }>} frame */
  #welcome(frame) {
    this.welcomed = true;
    if (frame.recovered && !frame.replaying) this.#settled = true;
    this.#keepalive.start(frame, this.#helloAt);
    // Random lifetimes, because clients that reconnected together after an outage must not all
    // reconnect together again two hours later.
    const lifetime = frame.lifetime_ms * (1 - ROTATION_SPREAD * this.#platform.random());
    this.#startTimer("lifetime", lifetime, () => this.#owner.rotate(this));
    this.#renewal.start(frame.token_ms, lifetime);
  }

  /**
   * @param {number | null | undefined} id
   * @param {Frame | null} frame
   */
  #answer(id, frame) {
    const request = id == null ? undefined : this.#requests.get(id);
    if (id == null || !request) return;
    this.#requests.delete(id);
    this.#platform.clearTimeout(request.timer);
    request.answered(frame);
  }

  /** Until the connection is ready, frames must keep arriving. */
  #expectProgress(later = 0) {
    this.#startTimer("progress", later + ANSWER_MS, () => this.end({ reconnect: "backoff", reason: "no_answer" }));
  }

  /**
   * @param {string} name
   * @param {number} ms
   * @param {() => void} action
   */
  #startTimer(name, ms, action) {
    this.#stopTimer(name);
    if (!(ms >= 0)) return;
    const run = () => {
      this.#timers.delete(name);
      action();
    };
    this.#timers.set(name, this.#platform.setTimeout(run, Math.min(ms, MAX_TIMER_MS)));
  }

  /** @param {string} name */
  #stopTimer(name) {
    if (this.#timers.has(name)) this.#platform.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/**
 * @param {Extract<Frame, { type: "close" }>} frame
 * @returns {Ending}
 */
function closing(frame) {
  const reconnect = frame.reconnect ?? byCode(frame.code);
  return { reconnect, retryAfterMs: frame.retry_after_ms, code: frame.code, reason: frame.name };
}

/**
 * @param {Extract<Frame, { type: "error" }>} frame
 * @returns {Ending}
 */
function refusal(frame) {
  const reconnect = byCode(frame.code) === "never" ? "never" : "backoff";
  return { reconnect, retryAfterMs: frame.retry_after_ms, code: frame.code, reason: frame.name };
}

/** @param {number} code */
function byCode(code) {
  if (code >= 4000 && code < 4100) return "never";
  return code >= 4200 && code < 4300 ? "now" : "backoff";
}

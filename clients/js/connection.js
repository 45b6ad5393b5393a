/** @import { Ending, Frame, Platform, Socket, StreamPosition } from './types.js' */

import { Backoff } from "./backoff.js";

const ANSWER_MS = 10_000;
const PING_TRIES = 2;
const PING_AGAIN_MS = 20_000;
const QUIET_MS = 5_000;
const AUTH_RETRY = { min: 1_000, max: 60_000 };
const AUTH_AT = 0.8;
const ROTATION_SPREAD = 0.1;
const MAX_TIMER_MS = 2 ** 31 - 1;
const BAD_FRAME = 4012;

/**
 * One WebSocket connection from hello to close, with requests and responses, keep-alive and token
 * renewal.
 *
 * The connection is ready after the welcome, once its replay is complete or known to be impossible.
 */
export class Connection {
  welcomed = false;
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
  /** @type {Map<number, { timer: unknown, answered: (frame: Frame | null) => void }>} */
  #requests = new Map();
  /** @type {Map<string, unknown>} */
  #timers = new Map();
  #authBackoff;

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
    this.#authBackoff = new Backoff({ ...AUTH_RETRY, random: platform.random });
    this.#socket = new platform.WebSocket(url, ["herald.v1", `bearer.${token}`]);
    this.#socket.onopen = () => this.#hello();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = () => this.end({ reconnect: "backoff", reason: "connection lost" });
    // Nothing to do: `onclose` follows. Without an `onerror` handler, Node's `ws` throws the error,
    // even after close().
    this.#socket.onerror = () => {};
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
    this.#socket.send(JSON.stringify({ action, id, ...fields }));
    return id;
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
    this.request("ping", this.#owner.position() ?? {}, (answer) => {
      if (answer || this.#heardAt > askedAt) return;
      if (tries === 1) return this.end({ reconnect: "backoff", reason: "no pong" });
      this.#startTimer("ping again", this.#platform.random() * PING_AGAIN_MS, () => this.ping(tries - 1));
    });
  }

  /** Pings, unless a frame arrived just now. */
  check() {
    if (this.#platform.now() - this.#heardAt > QUIET_MS) this.ping();
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
    for (const { timer } of this.#requests.values()) this.#platform.clearTimeout(timer);
    for (const timer of this.#timers.values()) this.#platform.clearTimeout(timer);
    this.#requests.clear();
    this.#timers.clear();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
  }

  #hello() {
    this.#expectProgress();
    const resume = this.#owner.position();
    this.#settled = resume === null;
    const fields = resume ? { resume } : {};
    // A request that times out (null) is ignored here: the progress timer already ends a connection
    // on which no frame arrives.
    this.#helloId = this.request("hello", fields, (answer) => {
      if (answer?.type !== "error") return;
      if (!resume || answer.code !== BAD_FRAME) return this.end(refusal(answer));
      this.#owner.positionRefused();
      this.#hello();
    });
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
    this.#trust();
    if (typeof frame?.type !== "string") {
      // When a route fails, API Gateway sends its own message, which has no type.
      if (!this.welcomed) this.end({ reconnect: "backoff", reason: "hello failed" });
      return;
    }
    if (this.readyAt === null) this.#expectProgress();
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
    this.#every(frame.ping_ms, () => this.ping(PING_TRIES));
    // Random lifetimes, because clients that reconnected together after an outage must not all
    // reconnect together again two hours later.
    const lifetime = frame.lifetime_ms * (1 - ROTATION_SPREAD * this.#platform.random());
    this.#startTimer("lifetime", lifetime, () => this.#owner.rotate(this));
    this.#renewToken(frame.token_ms);
  }

  /** @param {number | null | undefined} lifetime of the current token in milliseconds; none if it never expires */
  #renewToken(lifetime) {
    if (!lifetime) return;
    this.#startTimer("token", lifetime * AUTH_AT, async () => {
      try {
        const token = await this.#owner.token();
        if (this.#ended) return;
        this.request("auth", { token }, (answer) => {
          if (answer?.type === "error") return this.#retryRenewal(answer.retry_after_ms);
          if (answer?.type !== "auth_ok") return this.#retryRenewal();
          this.#authBackoff.reset();
          this.#renewToken(answer.token_ms);
        });
      } catch {
        if (!this.#ended) this.#retryRenewal();
      }
    });
  }

  #retryRenewal(atLeast = 0) {
    this.#renewToken(Math.max(atLeast, this.#authBackoff.next()) / AUTH_AT);
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
  #expectProgress() {
    this.#startTimer("progress", ANSWER_MS, () => this.end({ reconnect: "backoff", reason: "no answer to hello" }));
  }

  /**
   * @param {number} ms
   * @param {() => void} action
   */
  #every(ms, action) {
    this.#startTimer("ping", ms, () => {
      this.#every(ms, action);
      action();
    });
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

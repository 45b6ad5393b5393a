/**
 * @import { Frame } from './internal.js'
 * @import { Clock } from './clock.js'
 * @import { Connection } from './connection.js'
 * @import { Stream } from './stream.js'
 */

const SPREAD = 0.1;
const PING_TRIES = 2;
const PING_AGAIN_MS = 20_000;
/** The last minute of a hidden tab's timers, which run once a minute, and the time for an answer. */
const MARGIN_MS = 70_000;
/** A timer that is later than in a hidden tab was suspended together with the tab or the machine. */
const SUSPENDED_MS = 90_000;
const RECENT_MS = 5_000;
const RETRY = { min: 1_000, max: 60_000 };
/** A token is renewed after this share of its lifetime, but not earlier than BEFORE_MS before it expires. */
const AT = 0.8;
const BEFORE_MS = 180_000;
/** How long it takes until the next connection is ready: the timers of a hidden tab run once a minute. */
const ROTATION_MS = 60_000;

/**
 * Decides when an open connection sends a keepalive, a ping or a fresh token.
 *
 * A keepalive only postpones the server's idle timeout. It has no answer, so a lost event or a broken connection goes
 * unnoticed. A ping detects both, but costs more. Each message, in either direction, postpones the next keepalive. Only a
 * message with the stream's head postpones the next ping, so a lost event is noticed within two keepalive intervals.
 */
export class Upkeep {
  /** When the last message was received, and when the last one was sent or received. */
  heardAt = 0;
  activeAt = 0;
  #clock;
  #connection;
  #stream;
  #token;
  /** The interval of keepalives; infinite if the server has no route for them. */
  #keepaliveMs = Infinity;
  /** The longest time without knowing the stream's head, and the shortest time between two pings; 0 until the welcome. */
  #unprovenMs = 0;
  #pingMs = 0;
  /** When the next ping is due. */
  #pingAt = 0;
  /** When the next connection should be ready. */
  #replacedAt = 0;

  /**
   * @param {Clock} clock that of the connection
   * @param {Connection} connection
   * @param {Stream} stream
   * @param {() => Promise<string>} token returns a fresh token
   */
  constructor(clock, connection, stream, token) {
    this.#clock = clock;
    this.#connection = connection;
    this.#stream = stream;
    this.#token = token;
  }

  /**
   * Starts after the welcome.
   *
   * @param {Extract<Frame, { type: "welcome" }>} welcome
   * @param {number} askedAt when hello was sent
   * @param {number} lifetimeMs until the connection is replaced
   */
  start({ ping_ms, keepalive_ms, token_ms }, askedAt, lifetimeMs) {
    this.#pingMs = ping_ms;
    this.#unprovenMs = keepalive_ms ? 2 * keepalive_ms - MARGIN_MS : ping_ms;
    // A random interval, because clients that connected together must not send together.
    if (keepalive_ms) this.#keepaliveMs = keepalive_ms * (1 - SPREAD * this.#clock.random);
    this.proven(askedAt);
    this.#beat();
    this.#replacedAt = this.#clock.now + lifetimeMs + ROTATION_MS;
    this.#renew(token_ms);
  }

  /**
   * The stream's head was known at a time: nothing that was lost before is still unnoticed.
   *
   * @param {number} time
   */
  proven(time) {
    this.#pingAt = Math.max(this.#pingAt, time + this.#unprovenMs);
  }

  /**
   * Checks that the server still answers, and requests the stream's head.
   *
   * Any received frame counts as an answer. If none arrives and `tries` is above one, the client pings again. The first
   * ping may have been throttled on a working connection, and reconnecting would only add to the load.
   */
  async ping(tries = 1) {
    if (this.#pingMs === 0) return;
    const askedAt = this.#clock.now;
    this.#pingAt = Math.max(this.#pingAt, askedAt + this.#pingMs);
    const answer = await this.#connection.request("ping", this.#stream.position ?? {});
    if (answer?.type === "pong") this.proven(askedAt);
    if (answer || this.heardAt > askedAt) return;
    if (tries === 1) this.#connection.lost("no_pong");
    else this.#clock.start("ping", this.#clock.random * PING_AGAIN_MS, () => this.ping(tries - 1));
  }

  /** Pings, unless the stream's head became known just now. */
  check() {
    if (this.#clock.now > this.#pingAt - this.#unprovenMs + RECENT_MS) this.ping();
  }

  get #due() {
    return Math.min(this.#pingAt, this.activeAt + this.#keepaliveMs);
  }

  #beat() {
    const due = this.#due;
    this.#clock.start("beat", due - this.#clock.now, () => {
      const { now } = this.#clock;
      if (now - due > SUSPENDED_MS) this.ping();
      else if (now >= this.#due) {
        // A ping that is due within half an interval is sent now, in place of the keepalive.
        if (now < this.#pingAt - this.#keepaliveMs / 2) this.#connection.send({ action: "keepalive" });
        else this.ping(PING_TRIES);
      }
      this.#beat();
    });
  }

  /**
   * Renews the token, but only if it expires before the connection is replaced. The next connection brings its own.
   *
   * @param {number | null | undefined} tokenMs until the token expires; none if it never expires
   */
  #renew(tokenMs) {
    if (!tokenMs) return;
    const replaced = this.#replacedAt - this.#clock.now;
    const wait = Math.max(tokenMs * AT, tokenMs - BEFORE_MS);
    // A token that outlives the connection is renewed only if replacing the connection has failed.
    this.#auth(tokenMs > replaced ? Math.max(wait, replaced) : wait, 1);
  }

  /**
   * @param {number} wait in milliseconds
   * @param {number} attempt
   */
  #auth(wait, attempt) {
    this.#clock.start("auth", wait, async () => {
      const token = await this.#token().catch(() => null);
      const answer = token && (await this.#connection.request("auth", { token }));
      if (answer && answer.type === "auth_ok") return this.#renew(answer.token_ms);
      const atLeast = (answer && answer.type === "error" && answer.retry_after_ms) || 0;
      this.#auth(Math.max(atLeast, this.#clock.backoff(RETRY, attempt)), attempt + 1);
    });
  }
}

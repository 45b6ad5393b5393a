/** @import { Platform } from './types.js' */

import { Timer } from "./timer.js";

const SPREAD = 0.1;
const PING_TRIES = 2;
/** The last minute of a hidden tab's timers, which run once a minute, and the time for an answer. */
const MARGIN_MS = 70_000;
/** A timer that is later than in a hidden tab was suspended together with the tab or the machine. */
const SUSPENDED_MS = 90_000;
const RECENT_MS = 5_000;

/**
 * Decides when an open connection sends a keepalive, and when a ping.
 *
 * A keepalive only postpones the server's idle timeout. It has no answer, so a lost event
 * or a broken connection goes unnoticed. A ping detects both, but costs more. Each message, in
 * either direction, restarts the interval of keepalives. Only a message with the stream's head
 * restarts that of pings, so a lost event is noticed within two keepalive intervals.
 */
export class Keepalive {
  #platform;
  #keepalive;
  #ping;
  /** @type {number | null} The interval of keepalives; null if the server has no route for them. */
  #keepaliveMs = null;
  #pingMs = 0;
  /** When the last message was sent or received. */
  #activeAt = 0;
  /** The time up to which the stream's head is known. */
  #provenAt = 0;
  #pingedAt = -Infinity;
  #due = 0;
  #running = false;
  #timer;

  /** @param {{ platform: Platform, keepalive: () => void, ping: (tries: number) => void }} parts */
  constructor({ platform, keepalive, ping }) {
    this.#platform = platform;
    this.#keepalive = keepalive;
    this.#ping = ping;
    this.#timer = new Timer(platform);
  }

  /**
   * Starts after the welcome.
   *
   * @param {{ ping_ms: number, keepalive_ms?: number }} welcome
   * @param {number} askedAt when hello was sent
   */
  start({ ping_ms, keepalive_ms }, askedAt) {
    this.#pingMs = ping_ms;
    this.#keepaliveMs = keepalive_ms || null;
    this.#running = true;
    this.proven(askedAt);
  }

  stop() {
    this.#running = false;
    this.#timer.stop();
  }

  /** A message was sent or received. */
  active() {
    this.#activeAt = this.#platform.now();
    this.#arm();
  }

  /**
   * The stream's head was known at a time: nothing that was lost before is still unnoticed.
   *
   * @param {number} time
   */
  proven(time) {
    this.#provenAt = Math.max(this.#provenAt, time);
    this.#arm();
  }

  /** A ping was sent. */
  pinged() {
    this.#pingedAt = this.#platform.now();
    this.#arm();
  }

  /** Whether the stream's head is known as of just now. */
  get recent() {
    return this.#platform.now() - this.#provenAt <= RECENT_MS;
  }

  #arm() {
    if (!this.#running) return;
    this.#due = this.#next();
    this.#timer.start(this.#due - this.#platform.now(), () => this.#run());
  }

  #next() {
    const again = Math.max(this.#provenAt, this.#pingedAt) + this.#pingMs;
    if (this.#keepaliveMs === null) return again;
    const interval = this.#keepaliveMs * (1 - SPREAD * this.#platform.random());
    const proof = Math.max(this.#provenAt + this.#longest, this.#pingedAt + this.#pingMs);
    return Math.min(this.#activeAt + interval, proof);
  }

  /** The longest time without knowing the head, in milliseconds. */
  get #longest() {
    return 2 * (this.#keepaliveMs ?? 0) - MARGIN_MS;
  }

  #run() {
    const now = this.#platform.now();
    const suspended = now - this.#due > SUSPENDED_MS;
    const unproven = now - this.#provenAt;
    // A ping that is due within half an interval is sent now, in place of the keepalive.
    if (suspended) this.#ping(1);
    else if (this.#keepaliveMs && unproven < this.#longest - this.#keepaliveMs / 2) this.#keepalive();
    else this.#ping(PING_TRIES);
  }
}

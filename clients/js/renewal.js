/**
 * @import { Platform } from './types.js'
 * @import { Frame } from './internal.js'
 */

import { Backoff } from "./backoff.js";
import { Timer } from "./timer.js";

const RETRY = { min: 1_000, max: 60_000 };
/** A token is renewed after this share of its lifetime, but not earlier than BEFORE_MS before it expires. */
const AT = 0.8;
const BEFORE_MS = 180_000;
/** How long it takes until the next connection is ready: the timers of a hidden tab run once a minute. */
const ROTATION_MS = 60_000;

/**
 * Renews the token of one connection, but only if the token expires before the connection is
 * replaced. The next connection brings a token of its own.
 */
export class Renewal {
  #platform;
  #token;
  #send;
  #backoff;
  /** When the next connection should be ready. */
  #replacedAt = 0;
  #running = false;
  #timer;

  /**
   * @param {{ platform: Platform, token: () => Promise<string>,
   *   send: (token: string, answered: (frame: Frame | null) => void) => void }} parts
   */
  constructor({ platform, token, send }) {
    this.#platform = platform;
    this.#token = token;
    this.#send = send;
    this.#backoff = new Backoff({ ...RETRY, random: platform.random });
    this.#timer = new Timer(platform);
  }

  /**
   * @param {number | null | undefined} tokenMs until the token expires; none if it never expires
   * @param {number} lifetimeMs until the connection is replaced
   */
  start(tokenMs, lifetimeMs) {
    this.#running = true;
    this.#replacedAt = this.#platform.now() + lifetimeMs + ROTATION_MS;
    this.#schedule(tokenMs);
  }

  stop() {
    this.#running = false;
    this.#timer.stop();
  }

  /** @param {number | null | undefined} tokenMs */
  #schedule(tokenMs) {
    if (!tokenMs) return;
    const replaced = this.#replacedAt - this.#platform.now();
    const wait = Math.max(tokenMs * AT, tokenMs - BEFORE_MS);
    // A token that outlives the connection is renewed only if replacing the connection has failed.
    this.#arm(tokenMs > replaced ? Math.max(wait, replaced) : wait);
  }

  /** @param {number} wait in milliseconds */
  #arm(wait) {
    this.#timer.start(wait, () => this.#renew());
  }

  async #renew() {
    try {
      const token = await this.#token();
      if (this.#running) this.#send(token, (answer) => this.#answered(answer));
    } catch {
      if (this.#running) this.#retry();
    }
  }

  /** @param {Frame | null} answer */
  #answered(answer) {
    if (answer?.type === "error") return this.#retry(answer.retry_after_ms);
    if (answer?.type !== "auth_ok") return this.#retry();
    this.#backoff.reset();
    this.#schedule(answer.token_ms);
  }

  #retry(atLeast = 0) {
    this.#arm(Math.max(atLeast, this.#backoff.next()));
  }
}

/**
 * @import { Platform } from './types.js'
 * @import { Frame, Hole } from './internal.js'
 * @import { Cursor } from './cursor.js'
 */

import { Backoff } from "./backoff.js";
import { Timer } from "./timer.js";

const GIVE_UP_MS = 600_000;
const RETRY = { min: 2_000, max: 60_000 };
const LIMIT = 100;

/**
 * Recovers the missing events of a cursor. Each hole (a range of missing offsets) is requested when
 * it is due, retried with backoff, and skipped after ten minutes.
 *
 * Only one request is open at a time. An empty response is not an error, because the missing event
 * may not be delivered yet.
 */
export class Recovery {
  #cursor;
  #platform;
  #ask;
  #recovered;
  #stepOver;
  /** Whether a hole was requested since the last time without holes. */
  #asked = false;
  #timer;
  #asking = false;
  #running = false;
  /** No request is sent before this time, because the server asked the client to wait. */
  #notBefore = 0;

  /**
   * @param {{ cursor: Cursor, platform: Platform,
   *   ask: (since: number, limit: number, answered: (frame: Frame | null) => void) => void, recovered: () => void,
   *   stepOver: (holes: Hole[]) => void }} parts
   */
  constructor({ cursor, platform, ask, recovered, stepOver }) {
    this.#cursor = cursor;
    this.#platform = platform;
    this.#ask = ask;
    this.#recovered = recovered;
    this.#stepOver = stepOver;
    this.#timer = new Timer(platform);
  }

  /** Called when a connection is ready for requests. */
  start() {
    this.#running = true;
    this.#asking = this.#asked = false;
    this.update();
  }

  stop() {
    this.#running = false;
    this.#timer.stop();
  }

  /** Sets the timer for the hole that is due first. Call this whenever the cursor has changed. */
  update() {
    this.#timer.stop();
    if (!this.#running || this.#asking) return;
    if (this.#cursor.holes.length === 0) return this.#finish();
    const due = Math.min(...this.#cursor.holes.map((hole) => Math.min(hole.due, hole.since + GIVE_UP_MS)));
    this.#timer.start(Math.max(due, this.#notBefore) - this.#platform.now(), () => this.#tick());
  }

  #finish() {
    if (!this.#asked) return;
    this.#asked = false;
    this.#recovered();
  }

  #tick() {
    const now = this.#platform.now();
    const hole = this.#cursor.holes.find((each) => each.due <= now || each.since + GIVE_UP_MS <= now);
    if (!hole) return this.update();
    const last = Math.min(hole.to, hole.from + LIMIT - 1);
    this.#asking = this.#asked = true;
    this.#ask(hole.from - 1, last - hole.from + 1, (answer) => {
      this.#asking = false;
      const reached = answer?.type === "caught_up" && answer.offset >= hole.from ? answer.offset : last;
      if (answer?.type === "error") this.#notBefore = this.#platform.now() + (answer.retry_after_ms ?? 0);
      this.#postpone(hole.from, Math.min(last, reached));
      const given = this.#cursor.stepOver(this.#platform.now() - GIVE_UP_MS);
      if (given.length > 0) this.#stepOver(given);
      this.update();
    });
  }

  /**
   * Delays the next request for holes that were requested without success. Holes beyond the
   * response stay due.
   *
   * @param {number} first
   * @param {number} last
   */
  #postpone(first, last) {
    const now = this.#platform.now();
    for (const hole of this.#cursor.holes) {
      if (hole.from > last || hole.to < first) continue;
      hole.tries += 1;
      const backoff = new Backoff({ ...RETRY, random: this.#platform.random });
      backoff.attempt = hole.tries;
      hole.due = now + backoff.next();
    }
  }
}

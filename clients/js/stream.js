/**
 * @import { Gap, Place, Platform } from './types.js'
 * @import { EventFrame, Frame, Hole, WireEvent } from './internal.js'
 * @import { Connection } from './connection.js'
 */

import { Cursor, GRACE_MS, RecentIds } from "./cursor.js";
import { Position } from "./position.js";
import { Running } from "./progress.js";
import { Recovery } from "./recovery.js";

/** The user's stream across connections: order, duplicates, holes, gaps and the stored position. */
export class Stream {
  #platform;
  #onEvent;
  #onProgress;
  #onGap;
  #cursor = new Cursor();
  #seen = new RecentIds();
  /** Generations whose result has arrived. */
  #finished = new RecentIds();
  #running = new Running();
  #store;
  #recovery;

  /**
   * @param {{ platform: Platform, durable: boolean,
   *   ask: (since: number, limit: number, answered: (frame: Frame | null) => void) => void, recovered: () => void,
   *   onEvent: (event: WireEvent, place: Place, handled: () => void) => void,
   *   onProgress: (event: WireEvent) => void, onGap: (gap: Gap) => void }} parts
   */
  constructor({ platform, durable, ask, recovered, onEvent, onProgress, onGap }) {
    const cursor = this.#cursor;
    this.#platform = platform;
    this.#onEvent = onEvent;
    this.#onProgress = onProgress;
    this.#onGap = onGap;
    this.#store = new Position({ cursor, platform, durable });
    this.#recovery = new Recovery({ cursor, platform, ask, recovered, stepOver: (holes) => this.#stepOver(holes) });
  }

  /**
   * Continues from the position stored under `key`, not from the current one.
   *
   * @param {string} key
   */
  open(key) {
    this.#store.open(key);
  }

  /** Drops the position: the next welcome gives a new one. */
  forget() {
    this.#store.forget();
    this.#recovery.update();
  }

  /** The stream's epoch (omitted while it has no event) and the contiguous offset; null before the first welcome. */
  get position() {
    const { known, epoch, offset } = this.#cursor;
    if (!known) return null;
    return epoch === null ? { offset } : { epoch, offset };
  }

  /** Called when a connection is ready, so that missing events can be requested. */
  start() {
    this.#recovery.start();
  }

  stop() {
    this.#recovery.stop();
  }

  /**
   * @param {Frame} frame
   * @param {Connection} connection the connection on which the frame arrived
   */
  receive(frame, connection) {
    switch (frame.type) {
      case "event":
        return this.#deliver(frame, connection);
      case "events":
        return frame.items.forEach((item) => this.#deliver(item, connection));
      case "welcome":
        return this.#begin(frame.stream.epoch, frame.stream.head);
      case "pong":
        return this.#compare(frame.epoch, frame.head);
      case "gap": {
        const { requested, epoch, earliest, head, reason } = frame;
        return this.#continueFrom({ requested, epoch, earliest, head, reason });
      }
    }
  }

  /**
   * @param {EventFrame} frame
   * @param {Connection} connection
   */
  #deliver({ epoch, offset, replayed, event }, connection) {
    const outside = epoch === null || offset === null;
    const place = outside ? "outside" : this.#cursor.place(epoch, offset);
    if (place === "duplicate") return;
    if (outside && this.#finished.has(event.subject)) return; // SQS has no order, and a redrive comes later
    if (event.type === "herald.generation.progress") {
      if (this.#running.advance(event.subject, event.time)) this.#onProgress(event);
      return;
    }
    if (!outside) this.#finish(event.subject);
    const handled = outside ? () => {} : this.#cursor.handle(epoch, offset);
    const known = !this.#seen.add(event.id);
    if (known) handled();
    else this.#onEvent(event, { epoch, offset, replayed }, () => this.#handled(handled));
    if (outside) return;
    // The position advances only now, and only if the application has handled the event.
    const newest = offset > this.#cursor.highest;
    this.#cursor.receive(epoch, offset, this.#platform.now());
    this.#moved();
    if (place === "new" && newest && !replayed) connection.current();
    if (place === "newer_epoch") connection.ping();
  }

  /** @param {() => void} handled */
  #handled(handled) {
    handled();
    this.#store.save();
  }

  /** @param {string} generation */
  #finish(generation) {
    this.#finished.add(generation);
    this.#running.delete(generation);
  }

  /**
   * A new reader starts at the head and then loads its state. A reader that resumes learns how many
   * events are missing.
   *
   * @param {string | null} epoch
   * @param {number} head
   */
  #begin(epoch, head) {
    if (this.#cursor.known) return this.#learn(epoch, head, GRACE_MS);
    this.#cursor.adopt(epoch, head, this.#platform.now());
    this.#moved();
  }

  /**
   * Compares the server's head with the received events. This detects missing events even if no
   * later event arrives.
   *
   * @param {string | null} epoch
   * @param {number} head
   */
  #compare(epoch, head) {
    const { known, epoch: own } = this.#cursor;
    const requested = this.position;
    if (known && requested && epoch !== null && own !== null && epoch > own) {
      this.#continueFrom({ requested, epoch, earliest: null, head, reason: "epoch_changed" });
    } else {
      this.#learn(epoch, head, 0);
    }
  }

  /**
   * @param {string | null} epoch
   * @param {number} head
   * @param {number} wait before missing events are requested, in milliseconds
   */
  #learn(epoch, head, wait) {
    const { known, epoch: own } = this.#cursor;
    // A different epoch is handled elsewhere: by a gap, or by an event of the new epoch.
    if (!known || epoch === null || (own !== null && epoch !== own)) return;
    const now = this.#platform.now();
    this.#cursor.learn(epoch, head, now, now + wait);
    this.#moved();
  }

  /** @param {Gap} gap */
  #continueFrom(gap) {
    this.#cursor.adopt(gap.epoch, gap.head, this.#platform.now());
    this.#moved();
    this.#onGap(gap);
  }

  /** @param {Hole[]} holes */
  #stepOver(holes) {
    const { epoch, highest } = this.#cursor;
    this.#moved();
    for (const { from, to } of holes) {
      const requested = { epoch, offset: from - 1 };
      this.#onGap({ requested, epoch, earliest: to + 1, head: highest, reason: "missing" });
    }
  }

  #moved() {
    this.#store.save();
    this.#recovery.update();
  }
}

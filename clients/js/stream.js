/**
 * @import { Gap, HeraldOptions, Platform } from './types.js'
 * @import { EventFrame, Frame, WireEvent } from './internal.js'
 * @import { Connection } from './connection.js'
 * @import { Emitter } from './emitter.js'
 * @import { Inbox } from './inbox.js'
 */

import { Clock } from "./clock.js";
import { Cursor, GRACE_MS } from "./cursor.js";
import { Position } from "./position.js";
import { Recent } from "./recent.js";

const OVERLOADED = 4100;
/** In place of the time of a generation's newest progress: its result has arrived. */
const ENDED = Infinity;
/** How missing events are requested, and when they are given up. */
const LIMIT = 100;
const RETRY = { min: 2_000, max: 60_000 };
const GIVE_UP_MS = 600_000;

/**
 * The user's stream across connections: order, duplicates, gaps and the stored position.
 *
 * Missing events are requested: each hole when it is due, again with backoff, and no more after ten minutes. Only one
 * request is open at a time. An empty response is not an error, because the missing event may not be delivered yet.
 */
export class Stream {
  #options;
  #inbox;
  #emitter;
  #position;
  #clock;
  #cursor = new Cursor();
  /** @type {Recent<true>} The ids of events. */
  #seen = new Recent();
  /** @type {Recent<number>} The time of each generation's newest progress, or ENDED. */
  #progress = new Recent();
  /** @type {Connection | null} The connection that is ready for requests. */
  #connection = null;
  #asking = false;
  /** Whether a hole was requested since the last time without holes. */
  #asked = false;
  /** No request is sent before this time, because the server asked the client to wait. */
  #notBefore = 0;

  /**
   * @param {Platform} platform
   * @param {HeraldOptions<any>} options
   * @param {Inbox} inbox
   * @param {Emitter} emitter
   */
  constructor(platform, options, inbox, emitter) {
    this.#options = options;
    this.#inbox = inbox;
    this.#emitter = emitter;
    this.#position = new Position(platform, options.durable);
    this.#clock = new Clock(platform);
  }

  /** The stream's epoch (omitted while it has no event) and the contiguous offset; null before the first welcome. */
  get position() {
    const { known, epoch, offset } = this.#cursor;
    if (!known) return null;
    return epoch === null ? { offset } : { epoch, offset };
  }

  /**
   * Continues from the user's stored position: a position is valid only in the stream of its user.
   *
   * @param {string} subject that of the token, in place of the option `user`
   * @returns {boolean} whether the user is another one than before
   */
  open(subject) {
    const { url, user } = this.#options;
    const before = this.#position.key;
    const key = `herald:${url}:${user || subject}`;
    if (key === before) return false;
    this.#position.key = key;
    this.#cursor.restore(this.#position.read(), this.#clock.now);
    return before !== "";
  }

  /** Drops the position, also from storage, even if the client has never connected: the next welcome gives a new one. */
  forget() {
    if (this.#options.user) this.open("");
    this.#cursor.restore(null, 0);
    this.#position.remove();
  }

  /** The server refused the position. The next one is followed by a load. */
  refused() {
    this.forget();
    this.#inbox.lost();
    this.#inbox.request("error");
  }

  /**
   * Called when a connection is ready, so that missing events can be requested.
   *
   * @param {Connection | null} connection null if it is lost
   */
  use(connection) {
    this.#connection = connection;
    this.#asking = this.#asked = false;
    this.#schedule();
  }

  /**
   * @param {Frame} frame
   * @param {Connection} connection the connection on which the frame arrived
   */
  receive(frame, connection) {
    switch (frame.type) {
      case "event":
        return this.#event(frame, connection);
      case "events":
        return frame.items.forEach((item) => this.#event(item, connection));
      case "welcome": {
        // A new reader starts at the head and then loads its state. A reader that resumes learns how many are missing.
        const { epoch, head } = frame.stream;
        return this.#cursor.known ? this.#learn(epoch, head, GRACE_MS) : this.#adopt(epoch, head);
      }
      case "pong":
        return this.#compare(frame.epoch, frame.head);
      case "gap": {
        const { type, re, ...gap } = frame;
        return this.#gap(gap);
      }
      case "error": {
        const { name, message, code, re } = frame;
        this.#emitter.error(name, message, { code });
        // An event could not be stored, so no replay contains it.
        if (code === OVERLOADED && re == null) this.#inbox.request("error");
      }
    }
  }

  /**
   * @param {EventFrame} frame
   * @param {Connection} connection
   */
  #event({ epoch, offset, replayed, event }, connection) {
    if (epoch === null || offset === null) return this.#outside(event, replayed);
    const place = this.#cursor.place(epoch, offset);
    if (place === "duplicate") return;
    const newest = place === "new" && offset > this.#cursor.highest;
    // The position excludes the event until the application has handled it.
    const handled = this.#cursor.handle(epoch, offset);
    const save = () => (handled(), this.#save());
    this.#cursor.receive(epoch, offset, this.#clock.now);
    this.#progress.set(event.subject, ENDED);
    if (this.#isKnown(event)) handled();
    else this.#inbox.receive(event, { epoch, offset, replayed }, save);
    this.#moved();
    if (newest && !replayed) connection.upkeep.proven(this.#clock.now);
    if (place === "early" && this.#cursor.known) connection.upkeep.ping(); // a newer epoch
  }

  /**
   * Passes on a notice or progress.
   *
   * @param {WireEvent} event
   * @param {boolean} replayed
   */
  #outside(event, replayed) {
    const newest = this.#progress.get(event.subject) ?? 0;
    const time = Date.parse(event.time);
    if (newest === ENDED) return; // SQS has no order, and a redrive comes later
    if (event.type !== "herald.generation.progress") {
      if (!this.#isKnown(event)) this.#inbox.receive(event, { epoch: null, offset: null, replayed });
    } else if (time > newest) {
      this.#progress.set(event.subject, time);
      this.#inbox.receive(event, null);
    }
  }

  /**
   * Whether an event has arrived before; remembers it.
   *
   * @param {WireEvent} event
   */
  #isKnown({ id }) {
    const known = this.#seen.get(id);
    this.#seen.set(id, true);
    return known;
  }

  /**
   * Compares the server's head with the received events. This detects missing events even if no later event arrives.
   *
   * @param {string | null} epoch
   * @param {number} head
   */
  #compare(epoch, head) {
    const requested = this.position;
    if (requested?.epoch && epoch && epoch > requested.epoch) {
      this.#gap({ requested, epoch, earliest: null, head, reason: "epoch_changed" });
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
    if (!known || epoch === null || epoch !== (own ?? epoch)) return;
    const now = this.#clock.now;
    this.#cursor.learn(epoch, head, now, now + wait);
    this.#moved();
  }

  /**
   * @param {string | null} epoch
   * @param {number} head
   */
  #adopt(epoch, head) {
    this.#cursor.adopt(epoch, head, this.#clock.now);
    this.#moved();
  }

  /** @param {Gap} gap */
  #gap(gap) {
    this.#adopt(gap.epoch, gap.head);
    this.#report(gap);
  }

  /** @param {Gap} gap */
  #report(gap) {
    this.#emitter.emit("gap", gap);
    this.#inbox.request("gap");
  }

  #moved() {
    this.#save();
    this.#schedule();
  }

  #save() {
    this.#position.write(this.#cursor, this.#clock.now);
  }

  /** Sets the timer for the hole that is due first. */
  #schedule() {
    const { holes } = this.#cursor;
    this.#clock.clear();
    if (!this.#connection || this.#asking) return;
    if (holes.length > 0) {
      const due = Math.max(this.#notBefore, Math.min(...holes.map((hole) => hole.due)));
      this.#clock.start("hole", due - this.#clock.now, () => this.#request());
    } else if (this.#asked) {
      this.#asked = false;
      this.#connection.upkeep.ping(); // Events are rarely lost alone: later ones may be missing, too.
    }
  }

  async #request() {
    const connection = this.#connection;
    const hole = this.#cursor.holes.find(({ due }) => due <= this.#clock.now);
    if (!connection || !hole) return this.#schedule();
    const since = hole.from - 1;
    const last = Math.min(hole.to, since + LIMIT);
    this.#asking = this.#asked = true;
    const answer = await connection.request("history", { since, limit: last - since });
    if (connection !== this.#connection) return;
    this.#asking = false;
    const now = this.#clock.now;
    if (answer?.type === "error") this.#notBefore = now + (answer.retry_after_ms ?? 0);
    // Holes beyond the response stay due.
    this.#postpone(since, answer?.type === "caught_up" && answer.offset > since ? Math.min(answer.offset, last) : last, now);
    const { epoch, highest: head } = this.#cursor;
    const given = this.#cursor.stepOver(now - GIVE_UP_MS);
    this.#moved();
    for (const { from, to } of given) {
      this.#report({ requested: { epoch, offset: from - 1 }, epoch, earliest: to + 1, head, reason: "missing" });
    }
  }

  /**
   * Delays the next request for holes that were requested without success.
   *
   * @param {number} since
   * @param {number} last
   * @param {number} now
   */
  #postpone(since, last, now) {
    for (const hole of this.#cursor.holes) {
      if (hole.from > last || hole.to <= since) continue;
      hole.tries += 1;
      hole.due = Math.min(now + this.#clock.backoff(RETRY, hole.tries + 1), hole.since + GIVE_UP_MS);
    }
  }
}

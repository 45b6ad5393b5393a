/** @import { Hole, Range, Snapshot } from './internal.js' */

export const GRACE_MS = 2_000;
const MAX_HOLES = 1_000;
const MAX_SKIPPED = 100;
const MAX_EARLY = 1_000;
const MAX_UNHANDLED = 1_000;

/**
 * A reader's position in one stream. All events up to `highest` have been received, except those in
 * `holes`, the ranges of missing offsets.
 *
 * The position stores the missing ranges and not the events after them, because this keeps the
 * position small.
 */
export class Cursor {
  /** Whether the position is known. Until then, events are only collected. */
  known = false;
  /** @type {string | null} The stream's epoch; null while the stream has no event. */
  epoch = null;
  highest = 0;
  /**
   * The offset at which reading began. Events up to this offset are not missing. If one arrives
   * anyway, it is late.
   */
  floor = 0;
  /** @type {Hole[]} Missing ranges, ascending. */
  holes = [];
  /** @type {Range[]} Holes that were given up. Their events are still accepted. */
  skipped = [];
  /** @type {{ epoch: string, offset: number }[]} Events that arrived before the position in their epoch was known. */
  #early = [];
  /** @type {Set<{ epoch: string, offset: number }>} Events that arrived and that the application has not handled yet. */
  #unhandled = new Set();

  /** The highest contiguous offset: every event up to it has been handled. */
  get offset() {
    return Math.min(this.#contiguous, ...this.#open.map((offset) => offset - 1));
  }

  /** Every event up to this offset has arrived. */
  get #contiguous() {
    return this.holes.length > 0 ? this.holes[0].from - 1 : this.highest;
  }

  /** The offsets of unhandled events. */
  get #open() {
    const events = [...this.#unhandled].filter(({ epoch, offset }) => epoch === this.epoch && offset <= this.highest);
    return events.map(({ offset }) => offset).sort((a, b) => a - b);
  }

  /**
   * Excludes an event from the position until the application has handled it. If there are too many such events, the
   * oldest one counts as handled.
   *
   * @param {string} epoch
   * @param {number} offset
   * @returns {() => void} to be called once the event is handled
   */
  handle(epoch, offset) {
    const event = { epoch, offset };
    this.#unhandled.add(event);
    if (this.#unhandled.size > MAX_UNHANDLED) this.#unhandled.delete(/** @type {any} */ (this.#unhandled.values().next().value));
    return () => void this.#unhandled.delete(event);
  }

  /**
   * Classifies an event by its position; changes nothing.
   *
   * @param {string} epoch
   * @param {number} offset
   * @returns {"early" | "new" | "late" | "duplicate" | "newer_epoch" | "older_epoch"}
   */
  place(epoch, offset) {
    if (!this.known) return "early";
    // Epochs are UUIDv7, so they sort by age.
    if (this.epoch !== null && epoch !== this.epoch) return epoch > this.epoch ? "newer_epoch" : "older_epoch";
    if (offset > this.highest || within(this.holes, offset)) return "new";
    if (offset <= this.floor || within(this.skipped, offset)) return "late";
    return "duplicate";
  }

  /**
   * Records an event as handled.
   *
   * @param {string} epoch
   * @param {number} offset
   * @param {number} now
   */
  receive(epoch, offset, now) {
    switch (this.place(epoch, offset)) {
      case "early":
      case "newer_epoch":
        this.#early.push({ epoch, offset });
        if (this.#early.length > MAX_EARLY) this.#early.shift();
        break;
      case "new":
        this.learn(epoch, offset, now, now + GRACE_MS);
        this.holes = without(this.holes, offset);
        break;
      case "late":
        this.skipped = without(this.skipped, offset);
    }
  }

  /**
   * Records that the stream reaches `head`. Missing offsets up to `head` become a hole, which is
   * requested at `due`.
   *
   * @param {string | null} epoch the cursor's epoch, or the first epoch of a stream that was empty
   * @param {number} head
   * @param {number} now
   * @param {number} due
   */
  learn(epoch, head, now, due) {
    this.epoch = epoch;
    if (head <= this.highest) return;
    this.holes.push({ from: this.highest + 1, to: head, since: now, due, tries: 0 });
    this.highest = head;
  }

  /**
   * Continues from `head` regardless of earlier events. This is used for a new reader, a gap or a
   * new epoch.
   *
   * @param {string | null} epoch
   * @param {number} head
   * @param {number} now
   */
  adopt(epoch, head, now) {
    // Live events above `head` may have arrived before the frame with the head: they stay received.
    // If `head` is below the contiguous offset, the cursor moves back to `head`.
    const ahead = epoch === this.epoch && this.#contiguous <= head;
    this.known = true;
    this.epoch = epoch;
    this.floor = head;
    this.skipped = [];
    this.holes = ahead ? this.holes.filter((hole) => hole.to > head) : [];
    if (this.holes[0]?.from <= head) this.holes[0].from = head + 1;
    this.highest = ahead ? Math.max(this.highest, head) : head;
    const early = this.#early.filter((event) => epoch === null || event.epoch === epoch);
    this.#early = [];
    for (const event of early.sort((a, b) => a.offset - b.offset)) {
      if (event.offset > head) this.receive(event.epoch, event.offset, now);
    }
  }

  /**
   * Gives up the holes that opened at or before `since`, and the oldest ones if there are too many.
   *
   * @param {number} since
   * @returns {Hole[]} the holes given up
   */
  stepOver(since) {
    const surplus = this.holes.length - MAX_HOLES;
    const given = this.holes.filter((hole, index) => hole.since <= since || index < surplus);
    this.holes = this.holes.filter((hole) => !given.includes(hole));
    this.skipped = [...this.skipped, ...given.map(({ from, to }) => ({ from, to }))].slice(-MAX_SKIPPED);
    return given;
  }

  /**
   * @param {number} now
   * @returns {Snapshot | null}
   */
  snapshot(now) {
    if (!this.known) return null;
    const { epoch, highest, floor, skipped } = this;
    const missing = this.holes.map(({ from, to, since }) => ({ from, to, since }));
    // After a reload, events that were not handled are requested like those that have not arrived.
    const unhandled = this.#open.map((offset) => ({ from: offset, to: offset, since: now }));
    const holes = [...missing, ...unhandled].sort((a, b) => a.from - b.from);
    return { epoch, highest, floor, holes, skipped };
  }

  /** Returns to the start: the position is unknown. */
  forget() {
    this.known = false;
    this.epoch = null;
    this.highest = this.floor = 0;
    this.holes = [];
    this.skipped = [];
    this.#early = [];
    this.#unhandled.clear();
  }

  /**
   * @param {Snapshot} snapshot
   * @param {number} now
   */
  restore(snapshot, now) {
    this.known = true;
    this.epoch = snapshot.epoch;
    this.highest = snapshot.highest;
    this.floor = snapshot.floor;
    this.skipped = snapshot.skipped;
    this.holes = snapshot.holes.map((hole) => ({ ...hole, due: now + GRACE_MS, tries: 0 }));
  }
}

/**
 * @param {Range[]} ranges
 * @param {number} offset
 */
function within(ranges, offset) {
  return ranges.some(({ from, to }) => from <= offset && offset <= to);
}

/**
 * @template {Range} R
 * @param {R[]} ranges
 * @param {number} offset
 * @returns {R[]}
 */
function without(ranges, offset) {
  return ranges.flatMap((range) => {
    if (offset < range.from || range.to < offset) return [range];
    const below = { ...range, to: offset - 1 };
    const above = { ...range, from: offset + 1 };
    return [below, above].filter(({ from, to }) => from <= to);
  });
}

/** The most recent ids, at most `limit` of them. */
export class RecentIds {
  #ids = new Set();
  #limit;

  constructor(limit = 1_000) {
    this.#limit = limit;
  }

  /** @param {string} id */
  has(id) {
    return this.#ids.has(id);
  }

  /**
   * Remembers an id; returns false if it was known.
   *
   * @param {string} id
   */
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#limit) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

/** @import { Hole, Range, Snapshot } from './internal.js' */

export const GRACE_MS = 2_000;
const MAX = 1_000;
const MAX_SKIPPED = 100;

/**
 * A reader's position in one stream. All events up to `highest` have been received, except those in `holes`, the ranges of
 * missing offsets.
 *
 * The position stores the missing ranges and not the events after them, because this keeps the position small.
 */
export class Cursor {
  /** Whether the position is known. Until then, events are only collected. */
  known = false;
  /** @type {string | null} The stream's epoch; null while the stream has no event. */
  epoch = null;
  highest = 0;
  /** The offset at which reading began. Events up to this offset are not missing. If one arrives anyway, it is late. */
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
    return Math.min(...this.#open, this.#missing) - 1;
  }

  /** The lowest offset that has not arrived. */
  get #missing() {
    return this.holes[0]?.from ?? this.highest + 1;
  }

  /** The offsets of unhandled events. */
  get #open() {
    const events = [...this.#unhandled].filter(({ epoch, offset }) => epoch === this.epoch && offset <= this.highest);
    return events.map(({ offset }) => offset);
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
    const [oldest] = this.#unhandled.add(event);
    if (this.#unhandled.size > MAX) this.#unhandled.delete(oldest);
    return () => void this.#unhandled.delete(event);
  }

  /**
   * Classifies an event by its position; changes nothing.
   *
   * @param {string} epoch
   * @param {number} offset
   * @returns {"early" | "new" | "late" | "duplicate" | "old"} `early` also in a newer epoch, `old` in an older one
   */
  place(epoch, offset) {
    const own = this.epoch ?? epoch;
    // Epochs are UUIDv7, so they sort by age.
    if (!this.known || epoch > own) return "early";
    if (epoch < own) return "old";
    if (offset > this.highest || without(this.holes, offset)) return "new";
    return offset <= this.floor || without(this.skipped, offset) ? "late" : "duplicate";
  }

  /**
   * Records that an event has arrived.
   *
   * @param {string} epoch
   * @param {number} offset
   * @param {number} now
   */
  receive(epoch, offset, now) {
    const place = this.place(epoch, offset);
    if (place === "early") {
      this.#early = [...this.#early, { epoch, offset }].slice(-MAX);
    } else if (place === "new") {
      this.learn(epoch, offset, now, now + GRACE_MS);
      this.holes = without(this.holes, offset) ?? [];
    } else if (place === "late") {
      this.skipped = without(this.skipped, offset) ?? this.skipped;
    }
  }

  /**
   * Records that the stream reaches `head`. Missing offsets up to `head` become a hole, which is requested at `due`.
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
   * Continues from `head` regardless of earlier events. This is used for a new reader, a gap or a new epoch.
   *
   * @param {string | null} epoch
   * @param {number} head
   * @param {number} now
   */
  adopt(epoch, head, now) {
    // Live events above `head` may have arrived before the frame with the head: they stay received.
    // If `head` is below the contiguous offset, the cursor moves back to `head`.
    const ahead = epoch === this.epoch && this.#missing <= head + 1;
    const holes = ahead ? this.holes.filter(({ to }) => to > head) : [];
    this.known = true;
    this.epoch = epoch;
    this.floor = head;
    this.skipped = [];
    this.holes = holes.map((hole) => ({ ...hole, from: Math.max(hole.from, head + 1) }));
    this.highest = ahead ? Math.max(this.highest, head) : head;
    for (const event of this.#early.splice(0)) {
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
    const surplus = this.holes.length - MAX;
    const given = this.holes.filter((hole, index) => hole.since <= since || index < surplus);
    this.holes = this.holes.filter((hole) => !given.includes(hole));
    this.skipped = [...this.skipped, ...given].slice(-MAX_SKIPPED);
    return given;
  }

  /**
   * @param {number} now
   * @returns {Snapshot}
   */
  snapshot(now) {
    const { epoch, highest, floor, skipped } = this;
    // After a reload, events that were not handled are requested like those that have not arrived.
    const unhandled = this.#open.map((offset) => ({ from: offset, to: offset, since: now }));
    const holes = [...this.holes, ...unhandled].sort((a, b) => a.from - b.from);
    return { epoch, highest, floor, holes: holes.map(({ from, to, since }) => ({ from, to, since })), skipped };
  }

  /**
   * Continues from a stored position. Without one, the position is unknown.
   *
   * @param {Snapshot | null} snapshot
   * @param {number} now
   */
  restore(snapshot, now) {
    Object.assign(this, new Cursor(), snapshot);
    this.known = snapshot !== null;
    // If the wall clock was set back, a hole counts as new.
    this.holes = this.holes.map((hole) => ({ ...hole, since: Math.min(hole.since, now), due: now + GRACE_MS, tries: 0 }));
    this.#early = [];
    this.#unhandled.clear();
  }
}

/**
 * Removes an offset from the range that contains it; null if there is none.
 *
 * @template {Range} R
 * @param {R[]} ranges
 * @param {number} offset
 * @returns {R[] | null}
 */
function without(ranges, offset) {
  const at = ranges.findIndex(({ from, to }) => from <= offset && offset <= to);
  if (at < 0) return null;
  const below = { ...ranges[at], to: offset - 1 };
  const above = { ...ranges[at], from: offset + 1 };
  return [...ranges.slice(0, at), ...[below, above].filter(({ from, to }) => from <= to), ...ranges.slice(at + 1)];
}

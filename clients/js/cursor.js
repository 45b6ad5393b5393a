/**
 * @import { Platform } from './types.js'
 * @import { Arrival, Cursor, Missing, Snapshot } from './internal.js'
 */

import { GRACE_MS, REMEMBERED } from "./constants.js";

/** A range that is requested no more. Its events are still accepted. */
const GIVEN_UP = { since: null, due: Infinity };

/**
 * A reader's position in one stream: every event up to `highest` has been handled, except those in `missing`.
 *
 * The position stores the missing ranges and not the events after them, because this keeps the position small. A range
 * can also be given up, such as everything before the offset at which reading began, or have arrived without having been
 * handled by the application.
 *
 * @param {Pick<Platform, "now">} platform
 * @returns {Cursor}
 */
export function createCursor({ now }) {
  /** Whether the position is known. Until then, events are only collected. */
  let known = false;
  /** @type {string | null} The stream's epoch; null while the stream has no event. */
  let epoch = null;
  let highest = 0;
  /** @type {Missing[]} Ascending. */
  let missing = [];
  /** @type {Arrival[]} Events that arrived before the position in their epoch was known. */
  let early = [];

  /** The highest contiguous offset: every event up to it has been handled. */
  const contiguous = () => (missing.find(({ since }) => since !== null)?.from ?? highest + 1) - 1;

  /**
   * Puts `parts` in the place of an offset. Returns whether the offset was missing, and had arrived or not.
   *
   * @param {number} offset
   * @param {boolean} arrived
   * @param {Missing[]} parts
   */
  const replace = (offset, arrived, ...parts) => {
    const at = missing.findIndex(({ from, to }) => from <= offset && offset <= to);
    const range = missing[at];
    if (!range || !range.arrived === arrived) return false;
    const all = [{ ...range, to: offset - 1 }, ...parts, { ...range, from: offset + 1 }];
    missing.splice(at, 1, ...all.filter(({ from, to }) => from <= to));
    return true;
  };

  /** @type {Cursor["learn"]} */
  const learn = (newEpoch, head, wait) => {
    // A different epoch is handled elsewhere: by a gap, or by an event of the new epoch.
    if (!known || !newEpoch || newEpoch !== (epoch ??= newEpoch) || head <= highest) return;
    missing.push({ from: highest + 1, to: head, since: now(), due: now() + wait });
    highest = head;
  };

  /** @type {Cursor["receive"]} */
  const receive = (arrival) => {
    const { offset } = arrival;
    const own = epoch ?? arrival.epoch;
    // Epochs are UUIDv7, so they sort by age.
    if (!known || arrival.epoch > own) {
      early = [...early, arrival].slice(-REMEMBERED);
      return "early";
    }
    if (arrival.epoch < own) return "late";
    const newest = offset > highest;
    learn(own, offset, GRACE_MS);
    // The position excludes the event until the application has handled it.
    const unhandled = { from: offset, to: offset, since: now(), due: Infinity, arrived: true };
    if (!replace(offset, false, ...(arrival.handled ? [] : [unhandled]))) return "duplicate";
    return newest ? "newest" : "late";
  };

  return {
    learn,
    receive,
    position: () => (known ? { ...(epoch && { epoch }), offset: contiguous() } : null),
    requested: () => missing.filter(({ due }) => due < Infinity),
    handle(arrival) {
      arrival.handled = true;
      if (arrival.epoch === epoch) replace(arrival.offset, true);
    },
    adopt(newEpoch, head) {
      // Live events above `head` may have arrived before the frame with the head: they stay received.
      // If `head` is below the first missing offset, the cursor moves back to `head`.
      const same = newEpoch === epoch;
      const first = missing.find(({ due }) => due < Infinity)?.from ?? highest + 1;
      const ahead = same && first <= head + 1;
      const above = missing.filter(({ to }) => ahead && to > head);
      const unhandled = missing.filter(({ to, arrived }) => same && arrived && to <= head);
      known = true;
      epoch = newEpoch;
      highest = ahead ? Math.max(highest, head) : head;
      missing = [
        { from: 0, to: head, ...GIVEN_UP },
        ...above.map((range) => ({ ...range, from: Math.max(range.from, head + 1) })),
      ];
      for (const range of unhandled) replace(range.from, false, range);
      early.splice(0).forEach(receive);
    },
    giveUp(before) {
      const surplus = missing.length - REMEMBERED;
      const given = missing.filter(
        ({ due, since }, index) => due < Infinity && (/** @type {number} */ (since) <= before || index < surplus),
      );
      for (const range of given) Object.assign(range, GIVEN_UP);
      missing = missing.slice(-REMEMBERED);
      return given.map(({ from, to }) => ({
        requested: { epoch, offset: from - 1 },
        epoch,
        earliest: to + 1,
        head: highest,
        reason: "missing",
      }));
    },
    stored: () => ({ epoch, highest, missing }),
    restore(snapshot) {
      known = !!snapshot;
      ({ epoch, highest, missing } = /** @type {any} */ (snapshot) ?? { epoch: null, highest: 0, missing: [] });
      missing = missing.map(({ from, to, since }) => ({
        from,
        to,
        // If the wall clock was set back, a range counts as new.
        ...(since === null ? GIVEN_UP : { since: Math.min(since, now()), due: now() + GRACE_MS }),
      }));
      early = [];
    },
  };
}

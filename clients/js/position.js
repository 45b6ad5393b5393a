/**
 * @import { Platform, Storage } from './types.js'
 * @import { Snapshot } from './internal.js'
 * @import { Cursor } from './cursor.js'
 */

const EPOCH = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Stores a cursor across page loads: per tab in sessionStorage and, if `durable`, per user in
 * localStorage.
 *
 * A tab reads the user's position only when it starts. If tabs shared one cursor, a tab would skip
 * events that only another tab has received.
 */
export class Position {
  #cursor;
  #platform;
  #key = "";
  #durable;

  /** @param {{ cursor: Cursor, platform: Platform, durable: boolean }} parts */
  constructor({ cursor, platform, durable }) {
    this.#cursor = cursor;
    this.#platform = platform;
    this.#durable = durable;
  }

  /**
   * Continues from the position stored under `key`, if there is one.
   *
   * @param {string} key
   */
  open(key) {
    this.#key = key;
    this.#cursor.forget();
    const own = this.#read(this.#platform.sessionStorage);
    const snapshot = own ?? (this.#durable ? this.#read(this.#platform.localStorage) : null);
    if (!snapshot) return;
    const now = this.#platform.now();
    const today = this.#platform.wallClock();
    // If the wall clock was set back, the hole counts as new.
    const holes = snapshot.holes.map((hole) => ({ ...hole, since: now - Math.max(0, today - hole.since) }));
    this.#cursor.restore({ ...snapshot, holes }, now);
  }

  /** Drops the position, also from storage. */
  forget() {
    this.#cursor.forget();
    remove(this.#platform.sessionStorage, this.#key);
    remove(this.#platform.localStorage, this.#key);
  }

  save() {
    const snapshot = this.#cursor.snapshot(this.#platform.now());
    if (!snapshot) return;
    const sinceEpoch = this.#platform.wallClock() - this.#platform.now();
    const holes = snapshot.holes.map((hole) => ({ ...hole, since: hole.since + sinceEpoch }));
    write(this.#platform.sessionStorage, this.#key, { ...snapshot, holes });
    if (!this.#durable) return;
    const stored = this.#read(this.#platform.localStorage);
    const { epoch, offset } = this.#cursor;
    const older = (stored?.epoch ?? "") > (epoch ?? "") || (stored?.epoch === epoch && stored.highest > offset);
    if (stored && older) return;
    // A new tab starts at the contiguous offset: it has not seen the events that this tab received beyond it.
    const start = { epoch, highest: offset, floor: offset, holes: [], skipped: [] };
    write(this.#platform.localStorage, this.#key, start);
  }

  /**
   * @param {Storage | null} storage
   * @returns {Snapshot | null}
   */
  #read(storage) {
    try {
      const snapshot = JSON.parse(storage?.getItem(this.#key) ?? "null");
      return valid(snapshot) ? snapshot : null;
    } catch {
      return null;
    }
  }
}

/**
 * If storage is full or blocked, a reload loses the position, but no event is lost now.
 *
 * @param {Storage | null} storage
 * @param {string} key
 * @param {Snapshot} snapshot
 */
function write(storage, key, snapshot) {
  try {
    storage?.setItem(key, JSON.stringify(snapshot));
  } catch {
    // Nothing to do: the cursor in memory stays correct.
  }
}

/**
 * @param {Storage | null} storage
 * @param {string} key
 */
function remove(storage, key) {
  try {
    storage?.removeItem(key);
  } catch {
    // Nothing to do: storage is blocked, so nothing is stored.
  }
}

/**
 * Whether a stored value is a well-formed position. The server would refuse a malformed cursor at every reload.
 *
 * @param {any} snapshot
 */
function valid(snapshot) {
  const { epoch, highest, floor, holes, skipped } = snapshot ?? {};
  const isOffset = (/** @type {any} */ value) => Number.isSafeInteger(value) && value >= 0;
  const isRange = (/** @type {any} */ range) =>
    isOffset(range?.from) && isOffset(range.to) && range.from >= 1 && range.from <= range.to && range.to <= highest;
  return (
    (epoch === null || (typeof epoch === "string" && EPOCH.test(epoch))) &&
    isOffset(highest) &&
    isOffset(floor) &&
    [holes, skipped].every((ranges) => Array.isArray(ranges) && ranges.every(isRange)) &&
    holes.every((/** @type {any} */ hole, /** @type {number} */ n) => hole.from > (holes[n - 1]?.to ?? 0)) &&
    holes.every((/** @type {any} */ hole) => Number.isFinite(hole.since))
  );
}

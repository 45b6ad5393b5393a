/**
 * @import { Platform, Snapshot, Storage } from './types.js'
 * @import { Cursor } from './cursor.js'
 */

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
  #key;
  #durable;

  /** @param {{ cursor: Cursor, platform: Platform, key: string, durable: boolean }} parts */
  constructor({ cursor, platform, key, durable }) {
    this.#cursor = cursor;
    this.#platform = platform;
    this.#key = key;
    this.#durable = durable;
  }

  load() {
    const own = this.#read(this.#platform.sessionStorage);
    const snapshot = own ?? (this.#durable ? this.#read(this.#platform.localStorage) : null);
    if (snapshot) this.#cursor.restore(snapshot, this.#platform.now());
  }

  save() {
    const snapshot = this.#cursor.snapshot();
    if (!snapshot) return;
    write(this.#platform.sessionStorage, this.#key, snapshot);
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

/** @param {any} snapshot */
function valid(snapshot) {
  const isRange = (/** @type {any} */ range) => Number.isSafeInteger(range?.from) && Number.isSafeInteger(range?.to);
  return (
    (snapshot?.epoch === null || typeof snapshot?.epoch === "string") &&
    Number.isSafeInteger(snapshot.highest) &&
    Number.isSafeInteger(snapshot.floor) &&
    [snapshot.holes, snapshot.skipped].every((ranges) => Array.isArray(ranges) && ranges.every(isRange))
  );
}

/**
 * @import { Platform, Storage } from './types.js'
 * @import { Snapshot } from './internal.js'
 * @import { Cursor } from './cursor.js'
 */

import { attempt } from "./platform.js";

const EPOCH = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Stores a cursor across page loads: per tab in sessionStorage and, if `durable`, per user in localStorage.
 *
 * A tab reads the user's position only when it starts. If tabs shared one cursor, a tab would skip events that only
 * another tab has received. If storage is full or blocked, a reload loses the position, but no event is lost now.
 */
export class Position {
  /** The name under which the position is stored; "" until the user is known. */
  key = "";
  #tab;
  #user;
  #durable;

  /**
   * @param {Platform} platform
   * @param {boolean} [durable]
   */
  constructor({ sessionStorage, localStorage }, durable) {
    this.#tab = sessionStorage;
    this.#user = localStorage;
    this.#durable = durable;
  }

  read() {
    return this.#read(this.#tab) ?? (this.#durable ? this.#read(this.#user) : null);
  }

  /**
   * @param {Cursor} cursor
   * @param {number} now
   */
  write(cursor, now) {
    const { known, epoch, offset } = cursor;
    if (!known) return;
    this.#write(this.#tab, cursor.snapshot(now));
    if (!this.#durable) return;
    const stored = this.#read(this.#user);
    if (stored && ((stored.epoch ?? "") > (epoch ?? "") || (stored.epoch === epoch && stored.highest > offset))) return;
    // A new tab starts at the contiguous offset: it has not seen the events that this tab received beyond it.
    this.#write(this.#user, { epoch, highest: offset, floor: offset, holes: [], skipped: [] });
  }

  remove() {
    for (const storage of [this.#tab, this.#user]) attempt(() => storage?.removeItem(this.key));
  }

  /**
   * @param {Storage | null} storage
   * @returns {Snapshot | null}
   */
  #read(storage) {
    return attempt(() => checked(JSON.parse(storage?.getItem(this.key) ?? ""))) ?? null;
  }

  /**
   * @param {Storage | null} storage
   * @param {Snapshot} snapshot
   */
  #write(storage, snapshot) {
    attempt(() => storage?.setItem(this.key, JSON.stringify(snapshot)));
  }
}

/**
 * Returns a stored position if it is well-formed; throws if it has another shape. The server would refuse a malformed
 * cursor at every reload.
 *
 * @param {Snapshot} stored
 * @returns {Snapshot | null}
 */
function checked({ epoch, highest, floor, holes, skipped }) {
  const isOffset = (/** @type {number} */ offset) => Number.isSafeInteger(offset) && offset >= 0;
  const well =
    (epoch === null || EPOCH.test(epoch)) &&
    [highest, floor].every(isOffset) &&
    [...holes, ...skipped].every(({ from, to }) => [from - 1, to - from, highest - to].every(isOffset)) &&
    holes.every(({ from, since }, n) => from > (holes[n - 1]?.to ?? 0) && Number.isFinite(since));
  return well ? { epoch, highest, floor, holes, skipped } : null;
}

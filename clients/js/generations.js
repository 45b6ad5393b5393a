/**
 * @import { Generation, Row } from './types.js'
 * @import { Emitter, Generations, WireData } from './internal.js'
 */

import { REMEMBERED } from "./constants.js";
import { check } from "./emitter.js";

const checkRow = (/** @type {any} */ row) => check("row.id", row?.id, "string");

/** @typedef {{ row?: Row, result?: WireData, news?: Partial<WireData>, view?: Generation }} Entry `news`: progress and notices */

/**
 * The user's generations: the application's rows, merged with results and progress.
 *
 * The newer of a row and a result wins. Rows come in the order of `load`, after the generations that `load` has not
 * returned.
 *
 * @param {Emitter} emitter
 * @returns {Generations}
 */
export function createGenerations({ emit }) {
  /** @type {Map<string, Entry>} The order is the reverse of the list. */
  let entries = new Map();
  /** @type {readonly Generation[] | null} */
  let list = null;
  /** @type {readonly Generation[] | undefined} The list that was announced last. */
  let announced;
  /** What has changed since the running load began, and may be missing in its rows. */
  const fresh = new Set();

  const all = () => (list ??= [...entries.values()].map(({ view }) => /** @type {Generation} */ (view)).reverse());

  /** Notifies the application, once for all changes of a message. */
  const announce = () => {
    list = null;
    queueMicrotask(() => {
      if (announced !== all()) emit("generations", [(announced = all())]);
    });
  };

  /**
   * @param {string} id
   * @param {Entry} entry
   */
  const set = (id, entry) => {
    const view = show(id, entry);
    entries.set(id, { ...entry, view });
    emit(one(id), [view]);
    announce();
  };

  /**
   * @param {Row} row
   * @param {Entry} [entry] what is known besides the row
   */
  const merge = (row, entry) => {
    set(row.id, { ...entry, row, result: newer(row, entry?.result) ? undefined : entry?.result });
  };

  return {
    list: all,
    get: (id) => entries.get(id)?.view,
    start: () => fresh.clear(),
    load(rows) {
      if (rows === undefined) return;
      if (!Array.isArray(rows)) throw new TypeError("load() must return an array");
      rows.forEach(checkRow);
      const before = entries;
      entries = new Map();
      for (const row of [...rows].reverse()) merge(row, before.get(row.id));
      for (const [id, entry] of before) if (fresh.has(id) && !entries.has(id)) entries.set(id, entry);
      announce();
    },
    put(row) {
      checkRow(row);
      fresh.add(row.id);
      merge(row, entries.get(row.id));
    },
    receive(id, data, final) {
      const entry = entries.get(id);
      fresh.add(id);
      if (!final) set(id, { ...entry, news: { ...entry?.news, ...data } });
      // Events may arrive late, and a result may supersede a timeout.
      else if (!newer(entry?.row, data) && !newer(entry?.result, data)) set(id, { ...entry, result: data });
      if (entry) return;
      // Without `load`, the map would grow for as long as the page is open.
      const unknown = [...entries].filter(([, { row }]) => !row);
      if (unknown.length <= REMEMBERED) return;
      const [[oldest]] = unknown;
      entries.delete(oldest);
      fresh.delete(oldest);
    },
    clear() {
      entries.clear();
      announce();
    },
  };
}

/**
 * The name of the event that one generation has changed.
 *
 * @param {string} id
 */
export function one(id) {
  return `generation ${id}`;
}

/**
 * @param {Row | WireData | undefined} known
 * @param {WireData | undefined} data
 */
function newer(known, data) {
  const time = (/** @type {any} */ of) => Date.parse(of?.updatedAt); // NaN, which is never newer, if it is unknown
  return time(known) > time(data);
}

/**
 * What the application sees of a generation.
 *
 * @param {string} id
 * @param {Entry} entry
 * @returns {Generation}
 */
function show(id, { row, result, news = {} }) {
  const { prompt, outputs } = /** @type {any} */ (row) ?? {};
  /** @type {any} */
  const known = { status: "PENDING", ...row, ...present(result), ...(result?.truncated && present({ prompt, outputs })), id };
  if (result) known.error = result.error ?? null;
  if (known.status === "PENDING") {
    // A notice is not a result: the result is recorded later.
    const { progress, step, previewUrl, error } = news;
    Object.assign(known, present({ progress, step, previewUrl, error }));
  }
  return known;
}

/**
 * The fields that are known: events have null for what Herald does not know, but the row may know it.
 *
 * @param {object} [fields]
 */
function present(fields = {}) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

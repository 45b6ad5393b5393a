/**
 * @import { Generation, Row } from './types.js'
 * @import { WireData } from './internal.js'
 * @import { Emitter } from './emitter.js'
 */

const MAX_UNKNOWN = 1_000;

/** @typedef {{ row?: Row, result?: WireData, news?: Partial<WireData>, view?: Generation }} Entry `news`: progress and notices */

/**
 * The user's generations: the application's rows, merged with results and progress.
 *
 * The newer of a row and a result wins. Rows come in the order of `load`, after the generations that `load` has not
 * returned.
 */
export class Generations {
  /** @type {Map<string, Entry>} The order is the reverse of `list`. */
  #entries = new Map();
  /** @type {readonly Generation[] | null} */
  #list = null;
  /** What has changed since the running load began, and may be missing in its rows. */
  #fresh = new Set();
  /** Whether the change is about to be announced. */
  #announced = false;
  #emitter;

  /** @param {Emitter} emitter */
  constructor(emitter) {
    this.#emitter = emitter;
  }

  /** All generations; the same array until one of them changes. */
  get list() {
    const views = () => Array.from(this.#entries.values(), ({ view }) => /** @type {Generation} */ (view));
    return (this.#list ??= Object.freeze(views().reverse()));
  }

  /**
   * The same object until the generation changes.
   *
   * @param {string} id
   */
  get(id) {
    return this.#entries.get(id)?.view;
  }

  /** A load begins. */
  begin() {
    this.#fresh.clear();
  }

  /**
   * Replaces all rows.
   *
   * @param {unknown} rows
   */
  load(rows) {
    if (rows === undefined) return;
    if (!Array.isArray(rows)) throw new TypeError("load() must return an array of rows, or nothing");
    rows.forEach(check);
    const before = this.#entries;
    this.#entries = new Map();
    for (const row of [...rows].reverse()) this.#merge(before.get(row.id), row);
    for (const [id, entry] of before) {
      if (this.#fresh.has(id) && !this.#entries.has(id)) this.#entries.set(id, entry);
    }
    this.#announce();
  }

  /**
   * Adds or replaces one row.
   *
   * @param {Row} row
   */
  put(row) {
    check(row);
    this.#fresh.add(row.id);
    this.#merge(this.#entries.get(row.id), row);
  }

  /**
   * @param {string} id
   * @param {WireData} data
   * @param {boolean} final whether this is a result
   */
  receive(id, data, final) {
    const entry = this.#entries.get(id);
    this.#fresh.add(id);
    if (!final) this.#set(id, { ...entry, news: { ...entry?.news, ...data } });
    // Events may arrive late, and a result may supersede a timeout.
    else if (!newer(entry?.row, data) && !newer(entry?.result, data)) this.#set(id, { ...entry, result: data });
    if (!entry) this.#forgetOldest();
  }

  clear() {
    this.#entries.clear();
    this.#announce();
  }

  /**
   * @param {Entry | undefined} entry
   * @param {Row} row
   */
  #merge(entry, row) {
    const result = entry?.result;
    this.#set(row.id, { ...entry, row, result: result && newer(row, result) ? undefined : result });
  }

  /**
   * @param {string} id
   * @param {Entry} entry
   */
  #set(id, entry) {
    const view = show(id, entry);
    this.#entries.set(id, { ...entry, view });
    this.#emitter.emit(one(id), view);
    this.#announce();
  }

  /** Without `load`, the map would grow for as long as the page is open. */
  #forgetOldest() {
    const unknown = [...this.#entries].filter(([, { row }]) => !row);
    if (unknown.length <= MAX_UNKNOWN) return;
    const [[id]] = unknown;
    this.#entries.delete(id);
    this.#fresh.delete(id);
  }

  /** Tells the application, once for all changes of a message. */
  #announce() {
    this.#list = null;
    if (this.#announced) return;
    this.#announced = true;
    queueMicrotask(() => {
      this.#announced = false;
      this.#emitter.emit("generations", this.list);
    });
  }
}

/**
 * The name of the event that one generation has changed.
 *
 * @param {string} id
 */
export function one(id) {
  return `generation ${id}`;
}

/** @param {unknown} row */
function check(row) {
  const { id } = /** @type {any} */ (row) ?? {};
  if (typeof id !== "string") throw new TypeError(`a row must have the generation's "id", a string, but has ${id}`);
}

/**
 * @param {Row | WireData | undefined} known
 * @param {WireData} data
 */
function newer(known, data) {
  return Date.parse(known?.updatedAt ?? "") > Date.parse(data.updatedAt);
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
  return Object.freeze(known);
}

/**
 * The fields that are known: events have null for what Herald does not know, but the row may know it.
 *
 * @param {object} [fields]
 */
function present(fields = {}) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

/**
 * @import { Generation, Row } from './types.js'
 * @import { WireData } from './internal.js'
 */

const MAX_UNKNOWN = 1_000;

/** @typedef {{ row: Row | null, result: WireData | null, notice: WireData | null, running: WireData | null, changedAt: number }} Entry */

/**
 * The user's generations: the application's rows, merged with results and progress.
 *
 * The newer of a row and a result wins. Rows come in the order of `load`, after the generations that `load` has not
 * returned.
 */
export class Generations {
  /** @type {Map<string, Entry>} The order is the reverse of `list`. */
  #entries = new Map();
  /** @type {Map<string, Generation>} */
  #views = new Map();
  /** @type {readonly Generation[] | null} */
  #list = null;
  /** Numbers the changes, so that a load keeps what is newer than its start. */
  #changes = 0;
  #loadedFrom = 0;
  /** Whether `announced` is about to be called. */
  #announced = false;
  #owner;

  /**
   * @param {{ changed(id: string, generation: Generation): void, announced(generations: readonly Generation[]): void }} owner
   *   `announced` is called once for all changes of a message
   */
  constructor(owner) {
    this.#owner = owner;
  }

  /** All generations; the same array until one of them changes. */
  get list() {
    this.#list ??= Object.freeze([...this.#entries.keys()].map((id) => /** @type {Generation} */ (this.get(id))).reverse());
    return this.#list;
  }

  /**
   * The same object until the generation changes.
   *
   * @param {string} id
   */
  get(id) {
    return this.#views.get(id);
  }

  /** A load begins: what arrives from now on may be missing in its rows. */
  begin() {
    this.#loadedFrom = this.#changes;
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
    const ids = new Set(rows.map(({ id }) => id));
    this.#entries = new Map();
    for (const row of [...rows].reverse()) this.#entries.set(row.id, merge(before.get(row.id), row));
    for (const [id, entry] of before) {
      if (!ids.has(id) && entry.changedAt > this.#loadedFrom) this.#entries.set(id, entry);
    }
    this.#views.clear();
    for (const id of this.#entries.keys()) this.#show(id);
    this.#announce();
  }

  /**
   * Adds or replaces one row.
   *
   * @param {Row} row
   */
  put(row) {
    check(row);
    this.#update(row.id, (entry) => merge(entry, row));
  }

  /**
   * @param {string} id
   * @param {WireData} data
   * @param {"result" | "notice" | "running"} kind
   */
  receive(id, data, kind) {
    this.#update(id, (entry) => {
      const known = entry ?? empty();
      // Events may arrive late, and a result may supersede a timeout.
      const older = [known.row, known.result].some((other) => other && newer(other, data));
      if (kind === "result" && older) return known;
      return { ...known, [kind]: data };
    });
  }

  clear() {
    this.#entries.clear();
    this.#views.clear();
    this.#announce();
  }

  #announce() {
    this.#list = null;
    if (this.#announced) return;
    this.#announced = true;
    queueMicrotask(() => {
      this.#announced = false;
      this.#owner.announced(this.list);
    });
  }

  /**
   * @param {string} id
   * @param {(entry: Entry | undefined) => Entry} change
   */
  #update(id, change) {
    this.#changes += 1;
    this.#entries.set(id, { ...change(this.#entries.get(id)), changedAt: this.#changes });
    this.#forgetOldest();
    this.#show(id);
    this.#announce();
  }

  /** Without `load`, the map would grow for as long as the page is open. */
  #forgetOldest() {
    const unknown = [...this.#entries].filter(([, { row }]) => row === null);
    if (unknown.length <= MAX_UNKNOWN) return;
    this.#entries.delete(unknown[0][0]);
    this.#views.delete(unknown[0][0]);
  }

  /** @param {string} id */
  #show(id) {
    const generation = view(id, /** @type {Entry} */ (this.#entries.get(id)));
    this.#views.set(id, generation);
    this.#owner.changed(id, generation);
  }
}

/** @returns {Entry} */
function empty() {
  return { row: null, result: null, notice: null, running: null, changedAt: 0 };
}

/** @param {unknown} row */
function check(row) {
  const { id } = /** @type {any} */ (row) ?? {};
  if (typeof id !== "string") throw new TypeError(`a row must have the generation's "id", a string, but has ${id}`);
}

/**
 * @param {Entry | undefined} entry
 * @param {Row} row
 * @returns {Entry}
 */
function merge(entry = empty(), row) {
  const result = entry.result && newer(row, entry.result) ? null : entry.result;
  return { ...entry, row, result };
}

/**
 * @param {Row | WireData} known
 * @param {WireData} data
 */
function newer(known, data) {
  return Date.parse(known.updatedAt ?? "") > Date.parse(data.updatedAt);
}

/**
 * @param {string} id
 * @param {Entry} entry
 * @returns {Generation}
 */
function view(id, { row, result, notice, running }) {
  const own = /** @type {any} */ (row);
  /** @type {any} */
  const known = { status: "PENDING", ...own, ...(result && present(result)), id };
  if (result) known.error = result.error ?? null;
  if (result?.truncated) Object.assign(known, present({ prompt: own?.prompt, outputs: own?.outputs }));
  if (known.status === "PENDING") {
    const { progress, step, previewUrl } = running ?? {};
    // A notice is not a result: the result is recorded later.
    Object.assign(known, present({ progress, step, previewUrl, error: notice?.error }));
  }
  return Object.freeze(known);
}

/**
 * The fields that are known: events have null for what Herald does not know, but the row may know it.
 *
 * @param {object} fields
 */
function present(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

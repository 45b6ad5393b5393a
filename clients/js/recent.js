const LIMIT = 1_000;

/**
 * A map that forgets: it keeps only the keys that were set last.
 *
 * @template V
 */
export class Recent {
  /** @type {Map<string, V>} */
  #values = new Map();
  #limit;

  constructor(limit = LIMIT) {
    this.#limit = limit;
  }

  /** @param {string} key */
  get(key) {
    return this.#values.get(key);
  }

  /**
   * @param {string} key
   * @param {V} value
   */
  set(key, value) {
    this.#values.delete(key); // the order of the map is that of the last changes
    this.#values.set(key, value);
    if (this.#values.size > this.#limit) this.#values.delete(/** @type {any} */ (this.#values.keys().next().value));
  }
}

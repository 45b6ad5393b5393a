const MAX_GENERATIONS = 1_000;

/** The time of the newest progress of each running generation. */
export class Running {
  /** @type {Map<string, number>} */
  #times = new Map();

  /**
   * Records a progress event; returns false if it is not newer than the last one of its generation.
   *
   * @param {string} generation
   * @param {string} time in RFC 3339 format
   */
  advance(generation, time) {
    const moment = Date.parse(time);
    const last = this.#times.get(generation);
    if (Number.isNaN(moment) || (last !== undefined && moment <= last)) return false;
    this.#times.delete(generation); // the order of the map is that of the last events
    this.#times.set(generation, moment);
    if (this.#times.size > MAX_GENERATIONS) this.delete(/** @type {string} */ (this.#times.keys().next().value));
    return true;
  }

  /** @param {string} generation */
  delete(generation) {
    this.#times.delete(generation);
  }
}

/**
 * Exponential backoff with jitter over the whole range, so that clients do not all reconnect at the
 * same time.
 */
export class Backoff {
  /** Failures in a row. */
  attempt = 0;
  #min;
  #max;
  #random;

  /** @param {{ min: number, max: number, random: () => number }} options milliseconds; `random` in [0, 1) */
  constructor({ min, max, random }) {
    this.#min = min;
    this.#max = max;
    this.#random = random;
  }

  /** The next delay in milliseconds: at least `min`, at most `min` doubled once per failure, never more than `max`. */
  next() {
    this.attempt += 1;
    const ceiling = Math.min(this.#max, this.#min * 2 ** this.attempt);
    return this.#min + this.#random() * (ceiling - this.#min);
  }

  reset() {
    this.attempt = 0;
  }
}

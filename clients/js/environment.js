/** @import { Platform } from './types.js' */

/** What a browser reports about its network and about the tab. Other environments report nothing. */
export class Environment {
  /** Whether the network is down, as far as the browser knows. */
  down = false;
  #platform;
  /** @type {[Platform["window"] | Platform["document"], string, () => void][]} */
  #listeners;

  /**
   * @param {Platform} platform
   * @param {{ offline(): void, online(): void, resumed(): void, shown(): void }} owner
   */
  constructor(platform, { offline, online, resumed, shown }) {
    const { window, document } = platform;
    this.#platform = platform;
    this.#listeners = [
      [window, "offline", () => this.#network(true, offline)],
      [window, "online", () => this.#network(false, online)],
      [document, "resume", resumed], // The browser had frozen the tab, and with it the timers.
      [document, "visibilitychange", () => document?.visibilityState !== "hidden" && shown()],
    ];
  }

  /** The page's origin, which Herald compares with its allow-list; undefined outside a browser. */
  get origin() {
    return this.#platform.document ? globalThis.location?.origin : undefined;
  }

  watch() {
    this.down = !this.#platform.onLine();
    for (const [target, name, listener] of this.#listeners) target?.addEventListener(name, listener);
  }

  unwatch() {
    for (const [target, name, listener] of this.#listeners) target?.removeEventListener(name, listener);
  }

  /**
   * @param {boolean} down
   * @param {() => void} then
   */
  #network(down, then) {
    this.down = down;
    then();
  }
}

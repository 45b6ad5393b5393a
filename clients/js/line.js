/** @import { Socket } from './types.js' */

/** How long a client waits for an answer; after that, the next request is sent. */
const ANSWER_MS = 10_000;
const REPLAYS = ["hello", "history"];

/** @typedef {{ from: string, frame: any }} Asked */

/**
 * One WebSocket to Herald that several clients use as if each had its own.
 *
 * Requests get numbers of their own, and each answer goes to the client that asked. Replays have no number, so only one
 * is requested at a time. Everything else goes to all clients.
 */
export class Line {
  /** Whether no client may join any more. */
  ended = false;
  #socket;
  #tell;
  #open = false;
  #openedAt = 0;
  #lifetimeMs = Infinity;
  /** @type {Set<string>} */
  #members = new Set();
  #lastId = 0;
  /** @type {Map<number, Asked>} */
  #requests = new Map();
  /** @type {Asked[]} Requests for replays that wait for the current one. */
  #waiting = [];
  /** @type {Asked | null} The request whose replay is on its way. */
  #replaying = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Socket} socket
   * @param {(to: string | string[], message: { opened?: true, closed?: true, data?: string }) => void} tell
   */
  constructor(socket, tell) {
    this.#socket = socket;
    this.#tell = tell;
    socket.onopen = () => {
      this.#open = true;
      this.#openedAt = performance.now();
      tell([...this.#members], { opened: true });
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => this.#end();
  }

  /** The share of its lifetime that the connection has used. */
  get used() {
    return this.#age / this.#lifetimeMs;
  }

  get #age() {
    return this.#open ? performance.now() - this.#openedAt : 0;
  }

  /** @param {string} id */
  join(id) {
    this.#members.add(id);
    if (this.#open) this.#tell(id, { opened: true });
  }

  /** @param {string} id */
  leave(id) {
    this.#members.delete(id);
    this.#waiting = this.#waiting.filter(({ from }) => from !== id);
    if (this.#members.size > 0) {
      if (this.#replaying?.from === id) this.#next();
      return;
    }
    this.#end();
    this.#socket.close(1000);
  }

  /**
   * @param {string} from
   * @param {string} data
   */
  send(from, data) {
    const frame = JSON.parse(data);
    if (frame.id === undefined) return this.#socket.send(data);
    if (!REPLAYS.includes(frame.action)) return this.#ask({ from, frame });
    this.#waiting.push({ from, frame });
    if (!this.#replaying) this.#next();
  }

  /** @param {Asked} asked */
  #ask(asked) {
    const id = ++this.#lastId;
    this.#requests.set(id, asked);
    this.#socket.send(JSON.stringify({ ...asked.frame, id }));
  }

  /** Requests the next replay. */
  #next() {
    clearTimeout(this.#timer);
    this.#replaying = this.#waiting.shift() ?? null;
    if (!this.#replaying) return;
    this.#timer = setTimeout(() => this.#next(), ANSWER_MS);
    this.#ask(this.#replaying);
  }

  /** @param {string} data */
  #receive(data) {
    const frame = JSON.parse(data);
    const asked = this.#requests.get(frame.re);
    if (asked) return this.#answer(asked, frame);
    if (frame.type === "close") this.ended = true;
    const [first = frame] = frame.items ?? [];
    const replay = first.replayed && first.offset !== null && this.#replaying;
    this.#tell(replay ? replay.from : [...this.#members], { data });
  }

  /**
   * @param {Asked} asked
   * @param {any} frame
   */
  #answer(asked, frame) {
    const answer = { ...frame, re: asked.frame.id };
    if (frame.type === "welcome") {
      this.#lifetimeMs = frame.lifetime_ms;
      answer.lifetime_ms = Math.max(0, frame.lifetime_ms - this.#age);
    }
    this.#tell(asked.from, { data: JSON.stringify(answer) });
    const more = frame.type === "events" || (frame.type === "welcome" && asked.frame.resume && !caughtUp(frame));
    if (more) return;
    this.#requests.delete(frame.re);
    if (asked === this.#replaying) this.#next();
  }

  #end() {
    this.ended = true;
    clearTimeout(this.#timer);
    this.#tell([...this.#members], { closed: true });
    this.#members.clear();
  }
}

/** @param {{ recovered: boolean, replaying: number }} welcome */
function caughtUp({ recovered, replaying }) {
  return recovered && !replaying;
}

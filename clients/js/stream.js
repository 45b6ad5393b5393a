/**
 * @import { Gap, HeraldOptions, Platform, Storage } from './types.js'
 * @import { Arrival, Connection, Emitter, EventFrame, Inbox, Snapshot, Stream } from './internal.js'
 */

import {
  GIVE_UP_MS, GRACE_MS, HISTORY_LIMIT, HISTORY_RETRY_MAX_MS, HISTORY_RETRY_MIN_MS, OVERLOADED, REMEMBERED,
} from "./constants.js";
import { createCursor } from "./cursor.js";
import { attempt } from "./platform.js";
import { backoff, createTimers } from "./timers.js";

/** The form of a stored position. Text of any other form, such as the position of an earlier version, is not used. */
const STORED =
  /^{"epoch":("[\da-f-]{36}"|null),"highest":\d{1,15},"missing":\[(,?{"from":\d{1,15},"to":\d{1,15},"since":(null|[\d.]+)(,[^}]*)?})*]}$/;
/** In place of the time of a generation's newest progress: its result has arrived. */
const ENDED = Infinity;

/**
 * The user's stream across connections: order, duplicates, gaps and the stored position.
 *
 * Missing events are requested: each range when it is due, again with backoff, and no more after ten minutes. Only one
 * request is open at a time. An empty response is not an error, because the missing event may not be delivered yet.
 *
 * The position is stored per tab in sessionStorage and, if `durable`, per user in localStorage. A tab reads the user's
 * position only when it starts. If tabs shared one cursor, a tab would skip events that only another tab has received. If
 * storage is full or blocked, a reload loses the position, but no event is lost now.
 *
 * @param {Platform} platform
 * @param {HeraldOptions<any>} options
 * @param {Inbox} inbox
 * @param {Emitter} emitter
 * @returns {Stream}
 */
export function createStream(platform, { url, user, durable }, inbox, { emit, report }) {
  const { now, sessionStorage: tabs, localStorage: users } = platform;
  const timers = createTimers(platform);
  const cursor = createCursor(platform);
  /** @type {Map<string, true>} The ids of events. */
  const seen = new Map();
  /** @type {Map<string, number>} The time of each generation's newest progress, or ENDED. */
  const progress = new Map();
  /** The name under which the position is stored; "" until the user is known. */
  let key = "";
  /** @type {Connection | undefined} The connection that is ready for requests. */
  let connection;
  let asking = false;
  /** Whether a range was requested since the last time that none was missing. */
  let asked = false;
  /** No request is sent before this time, because the server asked the client to wait. */
  let notBefore = 0;

  /**
   * @param {Storage | null} storage
   * @returns {Snapshot | false | undefined}
   */
  const read = (storage) =>
    attempt(() => {
      const text = /** @type {string} */ (storage?.getItem(key));
      return STORED.test(text) && JSON.parse(text);
    });

  const save = () => {
    /** @type {(storage: Storage | null, snapshot: Snapshot) => void} */
    const write = (storage, snapshot) => attempt(() => storage?.setItem(key, JSON.stringify(snapshot)));
    const position = cursor.position();
    if (!position) return;
    const { epoch = null, offset } = position;
    write(tabs, cursor.stored());
    if (!durable) return;
    const stored = read(users);
    if (stored && ((stored.epoch ?? "") > (epoch ?? "") || (stored.epoch === epoch && stored.highest > offset))) return;
    // A new tab starts at the contiguous offset: it has not seen the events that this tab received beyond it.
    write(users, { epoch, highest: offset, missing: [{ from: 0, to: offset, since: null }] });
  };

  /** Sets the timer for the range that is due first. */
  const schedule = () => {
    timers.clear();
    if (!connection || asking) return;
    const due = Math.min(...cursor.requested().map((range) => range.due));
    if (due < Infinity) timers.start(Math.max(notBefore, due) - now(), request);
    else if (asked) {
      asked = false;
      connection.ping(); // Events are rarely lost alone: later ones may be missing, too.
    }
  };

  /** @param {Gap} gap */
  const lose = (gap) => {
    emit("gap", [gap]);
    inbox.request("gap");
  };

  /** @param {Gap} gap */
  const skip = (gap) => {
    cursor.adopt(gap.epoch, gap.head);
    lose(gap);
  };

  /**
   * The cursor has changed.
   *
   * @param {number} givenUp the time before which events must have been missing to be given up
   */
  const moved = (givenUp = -Infinity) => {
    const gaps = cursor.giveUp(givenUp);
    save();
    schedule();
    gaps.forEach(lose);
  };

  const request = async () => {
    const asks = connection;
    const range = cursor.requested().find(({ due }) => due <= now());
    if (!asks || !range) return schedule();
    const since = range.from - 1;
    let last = Math.min(range.to, since + HISTORY_LIMIT);
    asking = asked = true;
    const answer = await asks.request("history", { since, limit: last - since });
    if (asks !== connection) return;
    asking = false;
    notBefore = now() + (answer?.retry_after_ms ?? 0);
    // What is missing beyond the response stays due.
    if (answer?.type === "caught_up" && answer.offset > since) last = Math.min(answer.offset, last);
    for (const range of cursor.requested()) {
      if (range.from > last || range.to <= since) continue;
      const lost = /** @type {number} */ (range.since);
      // The limit of the delay grows in proportion to the range's age.
      const doublings = Math.log2(2 + (now() - lost) / 1_000);
      const delay = backoff(platform, HISTORY_RETRY_MIN_MS, HISTORY_RETRY_MAX_MS, doublings);
      range.due = Math.min(now() + delay, lost + GIVE_UP_MS);
    }
    moved(now() - GIVE_UP_MS);
  };

  /**
   * @param {EventFrame} frame
   * @param {Connection} from
   */
  const receive = (frame, from) => {
    const { epoch, offset, replayed, event } = frame;
    const { id, subject, time, type } = event;
    const newest = progress.get(subject) ?? 0;
    const place = { epoch, offset, replayed };
    if (offset) {
      const arrival = /** @type {Arrival} */ (frame);
      const order = cursor.receive(arrival);
      if (order === "duplicate") return;
      const handled = () => {
        cursor.handle(arrival);
        save();
      };
      remember(progress, subject, ENDED);
      if (remember(seen, id, true)) handled();
      else inbox.receive(event, place, handled);
      if (order === "newest" && !replayed) from.proven(now());
      if (order === "early" && cursor.position()) from.ping(); // a newer epoch
    } else if (type === "herald.generation.progress") {
      const made = Date.parse(time);
      if (made > newest) {
        remember(progress, subject, made);
        inbox.receive(event, null);
      }
      // A notice can come after the result: SQS has no order, and a redrive comes later.
    } else if (newest !== ENDED && !remember(seen, id, true)) inbox.receive(event, place);
  };

  /** @type {Stream["open"]} */
  const open = (subject) => {
    const before = key;
    key = `herald:${url}:${user || subject}`;
    if (key === before) return false;
    cursor.restore(read(tabs) || (durable && read(users)) || null);
    return before !== "";
  };

  const forget = () => {
    if (user) open("");
    cursor.restore(null);
    for (const storage of [tabs, users]) attempt(() => storage?.removeItem(key));
  };

  return {
    position: cursor.position,
    open,
    forget,
    refused() {
      forget();
      inbox.lost();
      inbox.request("error");
    },
    use(ready) {
      connection = ready;
      asking = asked = false;
      schedule();
    },
    receive(frame, from) {
      if (frame.type === "event") receive(frame, from);
      else if (frame.type === "events") frame.items.forEach((item) => receive(item, from));
      else if (frame.type === "welcome") {
        // A new reader starts at the head and then loads its state. A reader that resumes learns how many events are missing,
        // and requests those that the replay does not contain.
        const { epoch, head } = frame.stream;
        if (cursor.position()) cursor.learn(epoch, head, GRACE_MS);
        else cursor.adopt(epoch, head);
      } else if (frame.type === "pong") {
        const { epoch, head } = frame;
        const requested = cursor.position();
        if (requested?.epoch && epoch && epoch > requested.epoch) {
          skip({ requested, epoch, earliest: null, head, reason: "epoch_changed" });
          // So a missing event is noticed even if no later one arrives.
        } else cursor.learn(epoch, head, 0);
      } else if (frame.type === "gap") {
        const { type, re, ...gap } = frame;
        skip(gap);
      } else if (frame.type === "error") {
        const { name, message, code, re } = frame;
        report(name, message, { code });
        // An event could not be stored, so no replay contains it.
        if (code === OVERLOADED && re == null) inbox.request("error");
      }
      moved();
    },
  };
}

/**
 * Sets a value, and forgets the keys that were set first. Returns the value that the key had.
 *
 * @template V
 * @param {Map<string, V>} values
 * @param {string} key
 * @param {V} value
 */
function remember(values, key, value) {
  const before = values.get(key);
  values.delete(key); // the order of the map is that of the last changes
  values.set(key, value);
  if (values.size > REMEMBERED) values.delete(/** @type {any} */ (values.keys().next().value));
  return before;
}

/**
 * @import { Platform } from './types.js'
 * @import { Stream, Timers, Upkeep, Wire } from './internal.js'
 */

import { backoff } from "./timers.js";

const SPREAD = 0.1;
const PING_TRIES = 2;
const PING_AGAIN_MS = 20_000;
/** The last minute of a hidden tab's timers, which run once a minute, and the time for an answer. */
const MARGIN_MS = 70_000;
/** A timer that is later than in a hidden tab was suspended together with the tab or the machine. */
const SUSPENDED_MS = 90_000;
const RECENT_MS = 5_000;
/** A token is renewed after this share of its lifetime, but not earlier than BEFORE_MS before it expires. */
const AT = 0.8;
const BEFORE_MS = 180_000;
/** How long it takes until the next connection is ready: the timers of a hidden tab run once a minute. */
const ROTATION_MS = 60_000;

/**
 * Decides when an open connection sends a keepalive, a ping or a fresh token.
 *
 * A keepalive only postpones the server's idle timeout. It has no answer, so a lost event or a broken connection goes
 * unnoticed. A ping detects both, but costs more. Each message, in either direction, postpones the next keepalive. Only a
 * message with the stream's head postpones the next ping, so a lost event is noticed within two keepalive intervals.
 *
 * @param {Platform} platform
 * @param {Timers["start"]} start that of the connection
 * @param {Stream} stream
 * @param {Wire} wire
 * @returns {Upkeep}
 */
export function createUpkeep({ now, random }, start, stream, { request, send, lost, token }) {
  /** When the last message was received, and when the last one was sent or received. */
  let heardAt = 0;
  let activeAt = 0;
  /** The interval of keepalives; infinite if the server has no route for them. */
  let keepaliveMs = Infinity;
  /** The longest time without knowing the stream's head, and the shortest time between two pings; 0 until the welcome. */
  let unprovenMs = 0;
  let pingMs = 0;
  /** When the next ping is due. */
  let pingAt = 0;
  /** When the next connection should be ready. */
  let replacedAt = 0;

  /** @type {Upkeep["proven"]} */
  const proven = (time) => {
    pingAt = Math.max(pingAt, time + unprovenMs);
  };

  // Any received frame counts as an answer. If none arrives, the client pings once more if it has tries left: the first
  // ping may have been throttled on a working connection, and reconnecting would only add to the load.
  const ping = async (tries = 1) => {
    if (!pingMs) return;
    const askedAt = now();
    pingAt = Math.max(pingAt, askedAt + pingMs);
    const answer = await request("ping", stream.position() ?? {});
    if (answer?.type === "pong") proven(askedAt);
    if (answer || heardAt > askedAt) return;
    if (tries === 1) lost("no_pong");
    else start("ping", random() * PING_AGAIN_MS, () => ping(tries - 1));
  };

  const beat = () => {
    const due = () => Math.min(pingAt, activeAt + keepaliveMs);
    const dueAt = due();
    start("beat", dueAt - now(), () => {
      if (now() - dueAt > SUSPENDED_MS) ping();
      else if (now() >= due()) {
        // A ping that is due within half an interval is sent now, in place of the keepalive.
        if (now() < pingAt - keepaliveMs / 2) send({ action: "keepalive" });
        else ping(PING_TRIES);
      }
      beat();
    });
  };

  /**
   * Renews the token, but only if it expires before the connection is replaced. The next connection brings its own.
   *
   * @param {number | null | undefined} tokenMs until the token expires; none if it never expires
   */
  const renew = (tokenMs) => {
    if (!tokenMs) return;
    const replaced = replacedAt - now();
    const wait = Math.max(tokenMs * AT, tokenMs - BEFORE_MS);
    // A token that outlives the connection is renewed only if replacing the connection has failed.
    authenticate(tokenMs > replaced ? Math.max(wait, replaced) : wait, 1);
  };

  /**
   * @param {number} wait in milliseconds
   * @param {number} attempt
   */
  const authenticate = (wait, attempt) => {
    start("auth", wait, async () => {
      const fresh = await token().catch(() => null);
      const answer = fresh && (await request("auth", { token: fresh }));
      if (answer && answer.type === "auth_ok") return renew(answer.token_ms);
      const atLeast = (answer && answer.type === "error" && answer.retry_after_ms) || 0;
      authenticate(Math.max(atLeast, backoff({ random }, 1_000, 60_000, attempt)), attempt + 1);
    });
  };

  return {
    proven,
    ping,
    heard() {
      heardAt = activeAt = now();
    },
    sent() {
      activeAt = now();
    },
    check() {
      if (now() > pingAt - unprovenMs + RECENT_MS) ping();
    },
    start({ ping_ms, keepalive_ms, token_ms }, askedAt, lifetimeMs) {
      pingMs = ping_ms;
      unprovenMs = keepalive_ms ? 2 * keepalive_ms - MARGIN_MS : ping_ms;
      // A random interval, because clients that connected together must not send together.
      if (keepalive_ms) keepaliveMs = keepalive_ms * (1 - SPREAD * random());
      proven(askedAt);
      beat();
      replacedAt = now() + lifetimeMs + ROTATION_MS;
      renew(token_ms);
    },
  };
}

/**
 * @import { Platform, Socket } from './types.js'
 * @import { Connection, Ending, Frame, Owner, Reply, Stream } from './internal.js'
 */

import {
  ANSWER_MS, BAD_FRAME, GREETING, KEEPALIVE_SPREAD, LEAST_PAUSE_MS, MARGIN_MS, OPENING, OVER, PING_AGAIN_MS,
  PING_TRIES, RATE_LIMITED, READY, RECENT_MS, RENEW_AT, RENEW_BEFORE_MS, RENEW_RETRY_MAX_MS, RENEW_RETRY_MIN_MS,
  REPLAYING, ROTATION_MS, ROTATION_SPREAD, SUSPENDED_MS,
} from "./constants.js";
import { attempt } from "./platform.js";
import { backoff, createTimers } from "./timers.js";

/**
 * One WebSocket connection from the token to the close, with requests and responses, keepalives and token renewal.
 *
 * A keepalive only postpones the server's idle timeout. It has no answer, so a lost event or a broken connection goes
 * unnoticed. A ping detects both, but costs more. Each message, in either direction, postpones the next keepalive. Only a
 * message with the stream's head postpones the next ping, so a lost event is noticed within two keepalive intervals.
 *
 * @param {Platform} platform
 * @param {string} url
 * @param {Stream} stream
 * @param {Owner} owner
 * @returns {Connection}
 */
export function openConnection(platform, url, stream, owner) {
  const { now, random } = platform;
  const timers = createTimers(platform);
  let phase = OPENING;
  /** @type {Socket | undefined} */
  let socket;
  /** @type {string | undefined} What the socket reported. Only Node.js's `ws` gives the reason why a socket did not open. */
  let problem;
  /** Whether nothing is left to be replayed. */
  let settled = false;
  let helloAt = 0;
  let lastId = 0;
  /** @type {Map<unknown, (answer: Reply | null) => void>} */
  const requests = new Map();
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

  /** Starts a timer; after close(), does nothing. */
  let { start } = timers;

  const send = (/** @type {object} */ frame) => {
    socket?.send(JSON.stringify(frame));
    activeAt = now();
  };

  /** @type {Connection["request"]} */
  const request = (action, fields) =>
    new Promise((resolve) => {
      if (phase === OVER) return resolve(null);
      const id = ++lastId;
      requests.set(id, resolve);
      start(ANSWER_MS, () => resolve(null)); // Without effect if the answer has arrived.
      send({ action, id, ...fields });
    });

  const close = () => {
    phase = OVER;
    start = () => {};
    timers.clear();
    requests.forEach((resolve) => resolve(null));
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  };

  /** @param {Ending} ending */
  const end = (ending) => {
    if (phase === OVER) return;
    close();
    owner.ended(connection, ending);
  };

  const lost = (/** @type {string} */ name) =>
    end(phase === OPENING ? { name: "not_opened", cause: problem } : { name });

  /** @type {Connection["proven"]} */
  const proven = (time) => {
    pingAt = Math.max(pingAt, time + unprovenMs);
  };

  // Any received frame counts as an answer. If none arrives, the client pings once more if it has tries left: the first
  // ping may have been throttled on a working connection, and reconnecting would only add to the load.
  const ping = async (tries = 1) => {
    if (!pingMs) return;
    const askedAt = now();
    pingAt = Math.max(pingAt, askedAt + pingMs);
    const answer = await request("ping", stream.position());
    if (answer?.type === "pong") proven(askedAt);
    if (answer || heardAt > askedAt) return;
    if (tries === 1) lost("no_pong");
    else start(random() * PING_AGAIN_MS, () => ping(tries - 1), ping);
  };

  const beat = () => {
    const due = () => Math.min(pingAt, activeAt + keepaliveMs);
    const dueAt = due();
    const act = () => {
      if (now() - dueAt > SUSPENDED_MS) ping();
      else if (now() >= due()) {
        // A ping that is due within half an interval is sent now, in place of the keepalive.
        if (now() < pingAt - keepaliveMs / 2) send({ action: "keepalive" });
        else ping(PING_TRIES);
      }
      beat();
    };
    start(dueAt - now(), act, beat);
  };

  /**
   * Renews the token, but only if it expires before the connection is replaced. The next connection brings its own.
   *
   * @param {number | null | undefined} tokenMs until the token expires; none if it never expires
   */
  const renew = (tokenMs) => {
    if (!tokenMs) return;
    const replaced = replacedAt - now();
    const wait = Math.max(tokenMs * RENEW_AT, tokenMs - RENEW_BEFORE_MS);
    // A token that outlives the connection is renewed only if replacing the connection has failed.
    authenticate(tokenMs > replaced ? Math.max(wait, replaced) : wait, 1);
  };

  /**
   * @param {number} wait in milliseconds
   * @param {number} attempt
   */
  const authenticate = (wait, attempt) => {
    const renewal = async () => {
      const fresh = await owner.token().catch(() => {});
      const response = fresh ? await request("auth", { token: fresh }) : null;
      if (response?.type === "auth_ok") return renew(response.token_ms);
      const delay = backoff(platform, RENEW_RETRY_MIN_MS, RENEW_RETRY_MAX_MS, attempt);
      authenticate(Math.max(response?.retry_after_ms ?? 0, delay), attempt + 1);
    };
    start(wait, renewal, renew);
  };

  /** Until the connection is ready, frames must keep arriving. */
  const expectFrames = (later = 0) => start(later + ANSWER_MS, () => lost("no_answer"), expectFrames);

  const hello = async () => {
    const resume = stream.position() ?? undefined;
    phase = GREETING;
    expectFrames();
    settled = !resume;
    helloAt = now();
    const response = await request("hello", { resume });
    if (response?.type !== "error") return;
    if (response.code === RATE_LIMITED) {
      // Live events arrive on this connection in the meantime.
      const wait = Math.max(LEAST_PAUSE_MS, response.retry_after_ms ?? 0);
      start(wait, hello);
      expectFrames(wait);
    } else if (resume && response.code === BAD_FRAME) {
      stream.refused();
      hello();
    } else end(ending(response));
  };

  /** @param {Frame} frame */
  const process = (frame) => {
    if (frame.type === "close") return end(ending(frame));
    if (phase !== READY && !timers.has(hello)) expectFrames();
    if (frame.type === "welcome") {
      phase = REPLAYING;
      if (frame.recovered && !frame.replaying) settled = true;
      const lifetime = frame.lifetime_ms * (1 - ROTATION_SPREAD * random());
      start(lifetime, owner.replace);
      replacedAt = now() + lifetime + ROTATION_MS;
      const { ping_ms, keepalive_ms, token_ms } = frame;
      pingMs = ping_ms;
      unprovenMs = keepalive_ms ? 2 * keepalive_ms - MARGIN_MS : ping_ms;
      // A random interval, because clients that connected together must not send together.
      if (keepalive_ms) keepaliveMs = keepalive_ms * (1 - KEEPALIVE_SPREAD * random());
      proven(helloAt);
      beat();
      renew(token_ms);
    }
    stream.receive(frame, connection);
    // Before the connection is ready, only hello is answered like this.
    if (frame.type === "caught_up" || frame.type === "gap") settled = true;
    requests.get(frame.re)?.(frame);
    if (phase !== REPLAYING || !settled) return;
    phase = READY;
    timers.stop(expectFrames);
    owner.ready(connection);
  };

  const open = async () => {
    try {
      await null; // Not at once: a component that is mounted, unmounted and mounted again opens one connection.
      if (phase === OVER) return;
      const token = await owner.token();
      if (phase === OVER) return;
      owner.identify(token);
      socket = new platform.WebSocket(url, ["herald.v1", `bearer.${token}`]);
      socket.onopen = hello;
      socket.onmessage = ({ data }) => {
        const frame = attempt(() => JSON.parse(data));
        heardAt = activeAt = now();
        if (frame?.type) process(frame);
        // When a route fails, API Gateway sends its own message, which has no type.
        else if (phase === GREETING) lost("hello_failed");
        owner.heard(connection);
      };
      socket.onclose = () => lost("connection_lost");
      // `onclose` follows. Without an `onerror` handler, Node's `ws` throws the error, even after close().
      socket.onerror = (error) => {
        problem = error?.message;
      };
      expectFrames();
    } catch (cause) {
      end({ name: "cannot_connect", cause });
    }
  };

  const connection = {
    request,
    close,
    ping,
    check() {
      if (now() > pingAt - unprovenMs + RECENT_MS) ping();
    },
    proven,
    replaying: () => phase === REPLAYING,
  };
  open();
  return connection;
}

/**
 * How a frame ends the connection.
 *
 * @param {Extract<Frame, { type: "close" | "error" }>} frame
 * @returns {Ending}
 */
function ending(frame) {
  const closed = frame.type === "close";
  const range = Math.floor(frame.code / 100);
  const byCode = range === 40 ? "never" : range === 42 && closed ? "now" : "backoff";
  return { ...frame, reconnect: (closed && frame.reconnect) || byCode };
}

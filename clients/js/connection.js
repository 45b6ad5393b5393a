/**
 * @import { Platform, Socket } from './types.js'
 * @import { Connection, Ending, Frame, Owner, Stream } from './internal.js'
 */

import { attempt } from "./platform.js";
import { createTimers } from "./timers.js";
import { createUpkeep } from "./upkeep.js";

const ANSWER_MS = 10_000;
const ROTATION_SPREAD = 0.1;
const BAD_FRAME = 4012;
const RATE_LIMITED = 4102;
const LEAST_PAUSE_MS = 1_000;

const OPENING = 0;
/** From hello on. */
const GREETING = 1;
/** From the welcome on. */
const REPLAYING = 2;
/** Once the replay is complete, or known to be impossible. */
const READY = 3;
const OVER = 4;

/**
 * One WebSocket connection from the token to the close, with requests and responses, keep-alive and token renewal.
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
  /** What the socket reported. Only Node.js's `ws` tells why a socket did not open. */
  let problem = "";
  /** Whether nothing is left to be replayed. */
  let settled = false;
  let helloAt = 0;
  let lastId = 0;
  /** @type {Map<unknown, (answer: Frame | null) => void>} */
  const requests = new Map();

  /** @type {typeof timers.start} */
  const start = (key, ms, action) => {
    if (phase !== OVER) timers.start(key, ms, action);
  };

  const send = (/** @type {object} */ frame) => {
    socket?.send(JSON.stringify(frame));
    upkeep.sent();
  };

  /**
   * @param {unknown} id
   * @param {Frame | null} frame
   */
  const answer = (id, frame) => {
    const answered = requests.get(id);
    timers.stop(id);
    requests.delete(id);
    answered?.(frame);
  };

  /** @type {Connection["request"]} */
  const request = (action, fields) =>
    new Promise((resolve) => {
      if (phase === OVER) return resolve(null);
      const id = ++lastId;
      requests.set(id, resolve);
      start(id, ANSWER_MS, () => answer(id, null));
      send({ action, id, ...fields });
    });

  const close = () => {
    phase = OVER;
    timers.clear();
    for (const id of requests.keys()) answer(id, null);
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

  const lost = (/** @type {string} */ reason) =>
    end(phase === OPENING ? { reason: "not_opened", cause: problem } : { reason });

  const upkeep = createUpkeep(platform, start, stream, { request, send, lost, token: owner.token });

  /** Until the connection is ready, frames must keep arriving. */
  const expectFrames = (later = 0) => start("frames", later + ANSWER_MS, () => lost("no_answer"));

  const hello = async () => {
    const resume = stream.position();
    phase = GREETING;
    expectFrames();
    settled = !resume;
    helloAt = now();
    const response = await request("hello", resume ? { resume } : {});
    if (response?.type !== "error") return;
    if (response.code === RATE_LIMITED) {
      // Live events arrive on this connection in the meantime.
      const wait = Math.max(LEAST_PAUSE_MS, response.retry_after_ms ?? 0);
      start("hello", wait, hello);
      expectFrames(wait);
    } else if (resume && response.code === BAD_FRAME) {
      stream.refused();
      hello();
    } else end(ending(response));
  };

  /** @param {Frame} frame */
  const process = (frame) => {
    if (frame.type === "close") return end(ending(frame));
    if (phase !== READY && !timers.has("hello")) expectFrames();
    if (frame.type === "welcome") {
      phase = REPLAYING;
      if (frame.recovered && !frame.replaying) settled = true;
      const lifetime = frame.lifetime_ms * (1 - ROTATION_SPREAD * random());
      start("lifetime", lifetime, () => owner.rotate(connection));
      upkeep.start(frame, helloAt, lifetime);
    }
    stream.receive(frame, connection);
    // Before the connection is ready, only hello is answered like this.
    if (frame.type === "caught_up" || frame.type === "gap") settled = true;
    answer(frame.re, frame);
    if (phase !== REPLAYING || !settled) return;
    phase = READY;
    timers.stop("frames");
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
        upkeep.heard();
        if (typeof frame?.type === "string") process(frame);
        // When a route fails, API Gateway sends its own message, which has no type.
        else if (phase === GREETING) lost("hello_failed");
        owner.heard(connection);
      };
      socket.onclose = () => lost("connection_lost");
      // `onclose` follows. Without an `onerror` handler, Node's `ws` throws the error, even after close().
      socket.onerror = (error) => {
        problem = error?.message ?? "";
      };
      expectFrames();
    } catch (cause) {
      end({ reason: "cannot_connect", cause });
    }
  };

  const connection = {
    request,
    close,
    ping: () => upkeep.ping(),
    check: upkeep.check,
    proven: upkeep.proven,
    isReplaying: () => phase === REPLAYING,
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
  const { code, name: reason, retry_after_ms: retryAfterMs } = frame;
  const closed = frame.type === "close";
  const range = Math.floor(code / 100);
  const byCode = range === 40 ? "never" : range === 42 && closed ? "now" : "backoff";
  return { reconnect: (closed && frame.reconnect) || byCode, retryAfterMs, code, reason };
}

/** The numbers of the client, in one place: the protocol's codes, and how long and how often it does what. */

/** Codes of herald.v1 that the client treats separately. */
export const BAD_FRAME = 4012;
export const TOO_MANY_CONNECTIONS = 4014;
export const OVERLOADED = 4100;
export const RATE_LIMITED = 4102;

/** A connection: the phases `GREETING` from hello on, `REPLAYING` from the welcome on, `READY` after the replay. */
export const OPENING = 0;
export const GREETING = 1;
export const REPLAYING = 2;
export const READY = 3;
export const OVER = 4;

/** How long the client waits for an answer, for a token, and before it repeats a hello that was refused. */
export const ANSWER_MS = 10_000;
export const TOKEN_MS = 15_000;
export const LEAST_PAUSE_MS = 1_000;

/**
 * Reconnecting. After `STABLE_MS`, a connection counts as successful. After `FAILURES` sockets in a row that did not open,
 * the client names the likely causes.
 */
export const RECONNECT_MIN_MS = 500;
export const RECONNECT_MAX_MS = 20_000;
export const STABLE_MS = 10_000;
export const FAILURES = 2;

/** Replacing a connection: the next one is ready after `ROTATION_MS`, because the timers of a hidden tab run once a minute. */
export const ROTATION_SPREAD = 0.1;
export const ROTATION_MS = 60_000;

/** Keepalives and pings. The margin is the last minute of a hidden tab's timers and the time for an answer. */
export const KEEPALIVE_SPREAD = 0.1;
export const MARGIN_MS = 70_000;
export const PING_TRIES = 2;
export const PING_AGAIN_MS = 20_000;
export const RECENT_MS = 5_000;
/** A timer that is later than in a hidden tab was suspended together with the tab or the machine. */
export const SUSPENDED_MS = 90_000;

/** A token is renewed after a share of its lifetime, but not earlier than `RENEW_BEFORE_MS` before it expires. */
export const RENEW_AT = 0.8;
export const RENEW_BEFORE_MS = 180_000;
export const RENEW_RETRY_MIN_MS = 1_000;
export const RENEW_RETRY_MAX_MS = 60_000;

/** Missing events: when they are requested, how many at once, how often, and when they are given up. */
export const GRACE_MS = 2_000;
export const HISTORY_LIMIT = 100;
export const HISTORY_RETRY_MIN_MS = 2_000;
export const HISTORY_RETRY_MAX_MS = 60_000;
export const GIVE_UP_MS = 600_000;

/** Loading the application's rows, and calling its handlers. */
export const UNREACHABLE_MS = 3_000;
export const LOAD_MS = 30_000;
export const RETRY_MIN_MS = 1_000;
export const RETRY_MAX_MS = 30_000;
export const TRIES = 5;

/** The most that the client remembers of anything: ids, generations without a row, missing ranges. */
export const REMEMBERED = 1_000;
/** The longest delay of `setTimeout`. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Types that only the client's own modules use: the frames of herald.v1 as the client reads them, and the position. */
import type { CloudEvent, Failure, Gap, Place, Result, Status } from "./types.js";

export interface Range {
  from: number;
  to: number;
}

export interface Hole extends Range {
  /** When it opened, when to request it next (milliseconds of the monotonic clock), and how often it was requested. */
  since: number;
  due: number;
  tries: number;
}

export interface Snapshot {
  epoch: string | null;
  highest: number;
  floor: number;
  /** In storage, `since` is in epoch milliseconds. */
  holes: (Range & { since: number })[];
  skipped: Range[];
}

export interface Ending {
  reconnect: "now" | "backoff" | "never";
  reason: string;
  code?: number;
  retryAfterMs?: number;
  /** What was thrown, if the client could not connect at all. */
  cause?: unknown;
}

/** The data of every event as one type. `HeraldEvent` and `HeraldProgress` are the same, by the event's type. */
export interface WireData extends Result {
  status: Status;
  error?: Failure;
  progress?: number | null;
  step?: string | null;
  previewUrl?: string | null;
}

export type WireEvent = CloudEvent<
  "herald.generation.complete" | "herald.generation.error" | "herald.generation.progress",
  WireData
>;

export interface EventFrame extends Place {
  type: "event";
  re?: undefined;
  event: WireEvent;
}

export type Frame =
  | EventFrame
  | { type: "events"; re?: number; items: EventFrame[] }
  | {
      type: "welcome";
      re: number;
      stream: { epoch: string | null; head: number };
      recovered: boolean;
      replaying: number;
      ping_ms: number;
      keepalive_ms?: number;
      lifetime_ms: number;
      token_ms?: number | null;
    }
  | { type: "caught_up"; re: number; offset: number }
  | ({ type: "gap"; re?: number } & Gap)
  | { type: "pong"; re: number; epoch: string | null; head: number }
  | { type: "auth_ok"; re: number; token_ms?: number | null }
  | { type: "cancel_ok"; re: number; generation: string }
  | { type: "error"; re?: number | null; code: number; name: string; message: string; retry_after_ms?: number }
  | {
      type: "close";
      re?: undefined;
      code: number;
      name: string;
      reconnect?: "now" | "backoff" | "never";
      retry_after_ms?: number;
    };

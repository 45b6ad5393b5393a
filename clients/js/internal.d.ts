/** Types that only the client's own modules use: the frames of herald.v1 as the client reads them, and the position. */
import type {
  CloudEvent, ConnectionState, Failure, Gap, Generation, HeraldError, LoadReason, Place, Result, Row, Status, StreamPosition,
} from "./types.js";

export interface Range {
  from: number;
  to: number;
}

/** What the application has not handled. */
export interface Missing extends Range {
  /** When it was first missing, in milliseconds of the monotonic clock; null if it was given up. */
  since: number | null;
  /** When to request it next; infinite if it has arrived or was given up. */
  due: number;
  arrived?: boolean;
}

export interface Snapshot {
  epoch: string | null;
  highest: number;
  missing: (Range & { since: number | null })[];
}

export interface Ending {
  /** By default, with backoff. */
  reconnect?: "now" | "backoff" | "never";
  name: string;
  code?: number;
  retry_after_ms?: number;
  /** What was thrown or reported, if the client could not connect. */
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

/** A response. Only errors ask to wait. */
export type Reply = Frame & { retry_after_ms?: number };

export type Handler = (...args: any[]) => unknown;

/** The application's handlers, by event name. */
export interface Emitter {
  /** Adds a handler; `once` removes it when it is called. Returns a function that removes it. */
  on(name: string, handler: Handler, once?: boolean): () => void;
  off(name: string, handler: Handler): void;
  /**
   * Calls all handlers of an event, or `called`. One that throws or rejects is reported, with `then` for what follows, and
   * affects neither the others nor the client. Returns those that failed, after all have settled.
   */
  emit(name: string, args: unknown[], called?: Handler[], then?: string): Promise<Handler[]>;
  /** Reports an error to the application or, without a handler, to the console. */
  report(name: string, message: string, more?: Pick<HeraldError, "code" | "cause">): void;
  clear(): void;
}

export interface Timers {
  /** Replaces the key's action; by default, an action is its own key. If `ms` is not finite, the new action never runs. */
  start(ms: number, action: () => void, key?: unknown): void;
  stop(key: unknown): void;
  has(key: unknown): boolean;
  clear(): void;
  /** Returns the result of `work`; rejects if there is none in time. `what` names the result in the error. */
  within<T>(ms: number, what: string, work: () => T | Promise<T>): Promise<T>;
}

export interface Generations {
  /** All generations; the same array until one of them changes. */
  list(): readonly Generation[];
  /** The same object until the generation changes. */
  get(id: string): Generation | undefined;
  /** A load starts. */
  start(): void;
  /** Replaces all rows. */
  load(rows: unknown): void;
  /** Adds or replaces one row. */
  put(row: Row): void;
  /** `final` tells whether the data is a result. */
  receive(id: string, data: WireData, final: boolean): void;
  clear(): void;
}

export interface Inbox {
  /** The client connects. */
  start(): void;
  /** Ends the running load, and calls no handler again until `start()`. */
  stop(): void;
  /** Stops, and forgets all events that were not handled. */
  forget(): void;
  /** Starts anew, for another user. */
  restart(): void;
  /** The client is connected, and its position is known. */
  ready(): void;
  /** The client has no connection or no position any more. A load that is running goes on. */
  lost(): void;
  /** The rows must be loaded: at once, or when the client is ready. */
  request(reason: LoadReason): void;
  /** `place` is null for progress. `handled` is called once no handler needs the event any more. */
  receive(event: WireEvent, place: Place | null, handled?: () => void): void;
}

/** An event of the stream that has arrived. */
export interface Arrival {
  epoch: string;
  offset: number;
  handled?: boolean;
}

export interface Cursor {
  /** Null until the position is known; without an epoch while the stream has no event. */
  position(): StreamPosition | null;
  /** The ranges that are to be requested; the caller sets when and how often. */
  requested(): Missing[];
  /**
   * Records that an event has arrived. `newest` and `late` are new, also `late` of an older epoch; `early` is of a newer epoch
   * or before the position is known.
   */
  receive(arrival: Arrival): "early" | "newest" | "late" | "duplicate";
  /** The application has handled the event. */
  handle(arrival: Arrival): void;
  /** Records that the stream reaches `head`. What is missing up to there is requested after `wait` milliseconds. */
  learn(epoch: string | null, head: number, wait: number): void;
  /** Continues from `head` regardless of earlier events: for a new reader, a gap or a new epoch. */
  adopt(epoch: string | null, head: number): void;
  /**
   * Gives up the ranges that have been missing since `before`, and the oldest ones if there are too many; returns them. If
   * there are too many, the oldest events that were not handled count as handled, too.
   */
  giveUp(before: number): Gap[];
  stored(): Snapshot;
  /** Continues from a stored position. Without one, the position is unknown. */
  restore(snapshot: Snapshot | null): void;
}

export interface Stream {
  position(): StreamPosition | null;
  /**
   * Continues from the stored position of the user, a token's subject: a position is valid only in the stream of its user.
   * Returns whether the user is another one than before.
   */
  open(subject: string): boolean;
  /** Drops the position, also from storage, even if the client has never connected: the next welcome gives a new one. */
  forget(): void;
  /** The server refused the position. The next one is followed by a load. */
  refused(): void;
  /** Missing events can be requested from this connection; none if it is lost. */
  use(connection?: Connection): void;
  /** A frame has arrived on a connection. */
  receive(frame: Frame, from: Connection): void;
}

export interface Connection {
  /** Sends a frame. Returns the response, or null if none arrives in time or the connection ends. */
  request(action: string, fields: object | null): Promise<Reply | null>;
  /** Checks that the server still answers, and requests the stream's head. */
  ping(): void;
  /** Pings, unless the stream's head became known just now. */
  check(): void;
  /** The stream's head was known at a time: nothing that was lost before is still unnoticed. */
  proven(time: number): void;
  /** Closes the connection without notifying the owner. */
  close(): void;
  replaying(): boolean;
}

/** Who uses a connection. */
export interface Owner {
  /** Returns a fresh token. */
  token(): Promise<string>;
  /** The token is about to be used. */
  identify(token: string): void;
  /** A frame has arrived, and was processed. */
  heard(connection: Connection): void;
  ready(connection: Connection): void;
  /** It is time to replace the connection. */
  replace(): void;
  /** The connection has ended. Called once. */
  ended(connection: Connection, ending: Ending): void;
}

export interface Link {
  connect(): void;
  /** The same object until the state changes. */
  state(): ConnectionState;
  close(reason: string): void;
  /** Returns whether Herald canceled the generation. */
  cancel(generation: string): Promise<boolean>;
}

/** The client's public interface, and the frames of herald.v1 as the client reads them. */

export type State = "connecting" | "live" | "catching_up" | "offline";

/**
 * A generation's result as Herald publishes it. In a notice, most fields except status and error
 * are null.
 */
export interface Generation {
  prompt: string | null;
  status: "PENDING" | "COMPLETE" | "ERROR";
  imageUrl: string | null;
  imageHeight: number | null;
  imageWidth: number | null;
  coreModel: string | null;
  createdAt: string | null;
  updatedAt: string;
  /** With status ERROR only. */
  error?: { code: string; message: string; providerCode?: string };
  /** The number of files without a URL, because Herald does not keep outputs. */
  outputsNotKept?: number;
  /** All files of the generation, if Herald knows them; `imageUrl` is the first picture. */
  outputs?: Output[];
  /** True if outputs were left out at the end, or the prompt was shortened, to fit a frame. */
  truncated?: boolean;
}

/** One file that a generation produced; what is unknown is null. */
export interface Output {
  kind: "image" | "video" | "audio" | "model" | "text" | "file";
  url: string;
  contentType: string | null;
  /** In pixels, as is the height. */
  width: number | null;
  height: number | null;
  durationMs: number | null;
  /** The file's size. */
  bytes: number | null;
  /** When the URL stops working. */
  expiresAt: string | null;
  /** False if the provider's safety check flagged the file. */
  safe: boolean | null;
}

/** How far a running generation is. The other fields of a generation are null. */
export interface Progress extends Generation {
  status: "PENDING";
  /** From 0 to 1. */
  progress: number | null;
  step: string | null;
  previewUrl: string | null;
}

/** CloudEvents 1.0; `subject` is the generation's id. */
export interface HeraldEvent<Data = Generation> {
  specversion: "1.0";
  id: string;
  source: string;
  type: "herald.generation.complete" | "herald.generation.error" | "herald.generation.progress";
  subject: string;
  time: string;
  datacontenttype: "application/json";
  userid: string;
  epoch?: string;
  sequence?: string;
  data: Data;
}

/** An event's position in its stream; epoch and offset are null for an event outside the stream. */
export interface Place {
  epoch: string | null;
  offset: number | null;
  replayed: boolean;
}

/** A position in the stream; without an epoch, the start of a stream that has no event yet. */
export interface StreamPosition {
  epoch?: string;
  offset: number;
}

/** Events that can no longer be recovered. Reload the state that they would have changed. */
export interface Gap {
  requested: { epoch?: string | null; offset: number };
  epoch: string | null;
  earliest: number | null;
  head: number;
  /** `missing` means that an event of the retention period did not arrive within ten minutes. */
  reason: "expired" | "epoch_changed" | "ahead" | "limit" | "missing";
}

/**
 * Why the application must load its state: the client has no position yet, events are missing (see `gap`), or an event
 * could not be stored or the position was refused (`error`).
 */
export type LoadReason = "start" | "gap" | "error";

export interface HeraldError {
  name: string;
  message: string;
  code?: number;
  cause?: unknown;
}

export interface Handlers {
  /** Called once per event, in order of arrival; a late event may follow newer ones. */
  event: (event: HeraldEvent, place: Place) => void;
  /** Called with the newest progress of a running generation; progress can be lost. Never called after its result. */
  progress: (event: HeraldEvent<Progress>) => void;
  state: (state: State) => void;
  /** The position is known: load your own state now. */
  load: (reason: LoadReason) => void;
  gap: (gap: Gap) => void;
  error: (error: HeraldError) => void;
}

export interface HeraldOptions {
  /** The wss:// URL of the deployment's WebSocket API, including its stage. */
  url: string;
  /** Returns a fresh JWT, trimmed by the client; called for every connection and before the current token expires. */
  token: () => string | Promise<string>;
  /** The user of the stored position, so that each user of a browser has a separate one; by default the token's `sub`. */
  user?: string;
  /**
   * If true, a new tab starts at the last position of this user's tabs instead of at the head of
   * the stream.
   */
  durable?: boolean;
  onEvent?: Handlers["event"];
  onProgress?: Handlers["progress"];
  onState?: Handlers["state"];
  onLoad?: Handlers["load"];
  onGap?: Handlers["gap"];
  onError?: Handlers["error"];
  /** Replaces parts of the environment, such as the WebSocket class or the clock. */
  platform?: Partial<Platform>;
}

export interface HeraldClient {
  readonly state: State;
  /** The stream's epoch and the contiguous offset handled so far; null before the first welcome. */
  readonly position: StreamPosition | null;
  /** Calls `handler` for every event of this name; returns a function that removes the handler. */
  on<N extends keyof Handlers>(name: N, handler: Handlers[N]): () => void;
  /** Reconnects after `close()` or a refusal; if a reconnect is already scheduled, connects at once. */
  connect(): void;
  /**
   * Cancels a running generation of the user. Resolves to whether Herald canceled it; false also if
   * there is no connection or no answer.
   */
  cancel(generation: string): Promise<boolean>;
  /** Closes the connection; the position is kept. */
  close(): void;
  /** Closes the connection and removes every handler and listener. */
  dispose(): void;
}

export declare const Herald: new (options: HeraldOptions) => HeraldClient;
export type Herald = HeraldClient;

export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((message: { data: string }) => void) | null;
  onclose: (() => void) | null;
  onerror: ((error: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface Platform {
  WebSocket: new (url: string, protocols: string[]) => Socket;
  setTimeout: (callback: () => void, ms: number) => unknown;
  clearTimeout: (timer: any) => void;
  /** Returns the milliseconds of a monotonic clock, for all measurements of elapsed time. */
  now: () => number;
  /** Returns epoch milliseconds, only for times in the stored position, which outlives the page. */
  wallClock: () => number;
  random: () => number;
  sessionStorage: Storage | null;
  localStorage: Storage | null;
  window: Pick<EventTarget, "addEventListener" | "removeEventListener"> | null;
  document: (Pick<EventTarget, "addEventListener" | "removeEventListener"> & { visibilityState: string }) | null;
}

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
}

export interface EventFrame extends Place {
  type: "event";
  re?: undefined;
  event: HeraldEvent | HeraldEvent<Progress>;
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

/** The types of applications that use the client. */

/** The fields of a result. In a notice, most of them are null. */
export interface Result {
  prompt: string | null;
  imageUrl: string | null;
  imageHeight: number | null;
  imageWidth: number | null;
  coreModel: string | null;
  createdAt: string | null;
  updatedAt: string;
  /** The number of files without a URL, because Herald does not keep outputs. */
  outputsNotKept?: number;
  /** All files of the generation, if Herald knows them; `imageUrl` is the first picture. */
  outputs?: Output[];
  /** True if outputs were left out at the end, or the prompt was shortened, to fit a frame. */
  truncated?: boolean;
}

export interface Completed extends Result {
  status: "COMPLETE";
}

export interface Failed extends Result {
  status: "ERROR";
  error: Failure;
}

export interface Failure {
  code: string;
  message: string;
  providerCode?: string;
}

/** How far a running generation is. The fields of the result are null. */
export interface Running extends Result {
  status: "PENDING";
  /** From 0 to 1. */
  progress: number | null;
  step: string | null;
  previewUrl: string | null;
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

/** CloudEvents 1.0; `subject` is the generation's id. */
export interface CloudEvent<Type extends string, Data> {
  specversion: "1.0";
  id: string;
  source: string;
  type: Type;
  subject: string;
  time: string;
  datacontenttype: "application/json";
  userid: string;
  epoch?: string;
  sequence?: string;
  data: Data;
}

/** A generation has ended. `type` tells how: `data` has an `error` if it failed. */
export type HeraldEvent =
  | CloudEvent<"herald.generation.complete", Completed>
  | CloudEvent<"herald.generation.error", Failed>;

export type HeraldProgress = CloudEvent<"herald.generation.progress", Running>;

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

/** Events that can no longer be recovered. The client calls `load` after each gap. */
export interface Gap {
  requested: { epoch?: string | null; offset: number };
  epoch: string | null;
  earliest: number | null;
  head: number;
  /** `missing` means that an event of the retention period did not arrive within ten minutes. */
  reason: "expired" | "epoch_changed" | "ahead" | "limit" | "missing";
}

export type Status = "PENDING" | "COMPLETE" | "ERROR";

/** What the client reads of an application's row. A row without `updatedAt` counts as older than every event. */
export interface Row {
  id: string;
  status?: Status;
  updatedAt?: string | null;
}

/** A generation as the client knows it: the application's row with the newest result and progress. */
export type Generation<R extends Row = Row> = Omit<R, "status"> &
  Partial<Omit<Running, "status" | "updatedAt">> & { status: Status; updatedAt?: string | null; error?: Failure | null };

/** A generation that has a result. */
export type Finished<R extends Row = Row> = Generation<R> &
  ({ status: "COMPLETE" } | { status: "ERROR"; error: Failure });

export type State = "connecting" | "live" | "catching_up" | "reconnecting" | "offline" | "refused" | "closed";

/** The state of the connection, and the reason as a word: `connection_lost`, `network`, `revoked` … */
export interface ConnectionState {
  state: State;
  reason: string;
}

/**
 * Why the application must load its rows: the client has no position yet (`start`), events are missing (`gap`), an event
 * could not be stored or the position was refused (`error`), or Herald cannot be reached for three seconds (`unreachable`).
 */
export type LoadReason = "start" | "gap" | "error" | "unreachable";

export interface HeraldError {
  /** A word: the name of Herald's error, or `cannot_connect`, `never_opened`, `load_failed`, `handler_failed`. */
  name: string;
  message: string;
  code?: number;
  cause?: unknown;
}

export interface Handlers<R extends Row = Row> {
  /**
   * Called once per event, in order of arrival; a late event may follow newer ones. If the handler throws or rejects, it
   * is called again, at most five times in all.
   */
  event: (event: HeraldEvent, place: Place) => unknown;
  /** Called with the newest progress of a running generation; progress can be lost. Never called after its result. */
  progress: (event: HeraldProgress) => unknown;
  /** Called whenever a generation has changed, with all of them. */
  generations: (generations: readonly Generation<R>[]) => unknown;
  /** Called after `load` has returned, before the events that arrived meanwhile. */
  loaded: (reason: LoadReason) => unknown;
  state: (state: State, reason: string) => unknown;
  gap: (gap: Gap) => unknown;
  /** Without a handler, errors are written to the console. */
  error: (error: HeraldError) => unknown;
}

type Rows<R> = readonly R[] | undefined | void;

export interface HeraldOptions<R extends Row = Row> {
  /** The wss:// URL of the deployment's WebSocket API, including its stage. */
  url: string;
  /** Returns a fresh JWT, trimmed by the client; called for every connection and before the current token expires. */
  token: () => string | Promise<string>;
  /**
   * Returns the application's rows, or nothing if the application keeps them itself. Events that arrive meanwhile are
   * held. Called again with backoff if it throws, rejects or takes longer than 30 seconds.
   */
  load?: (request: { reason: LoadReason; signal: AbortSignal }) => Rows<R> | Promise<Rows<R>>;
  /** The user of the stored position, so that each user of a browser has a separate one; by default the token's `sub`. */
  user?: string;
  /**
   * If true, a new tab starts at the last position of this user's tabs instead of at the head of
   * the stream.
   */
  durable?: boolean;
  /** Replaces parts of the environment, such as the WebSocket class or the clock. */
  platform?: Partial<Platform>;
}

export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Socket {
  onopen: ((event?: any) => void) | null;
  onmessage: ((message: { data: any }) => void) | null;
  onclose: ((event?: any) => void) | null;
  onerror: ((error?: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface Platform {
  /** Browsers and Node.js 22 have one; for Node.js 20, pass the class of the `ws` package. */
  WebSocket: new (url: string, protocols: string[]) => Socket;
  setTimeout: (callback: () => void, ms: number) => unknown;
  clearTimeout: (timer: any) => void;
  /** Returns epoch milliseconds of a clock that is never set back. The stored position contains times of this clock. */
  now: () => number;
  random: () => number;
  /** Returns false if the environment knows that it has no network. */
  onLine: () => boolean;
  sessionStorage: Storage | null;
  localStorage: Storage | null;
  window: Pick<EventTarget, "addEventListener" | "removeEventListener"> | null;
  document: (Pick<EventTarget, "addEventListener" | "removeEventListener"> & { visibilityState: string }) | null;
}

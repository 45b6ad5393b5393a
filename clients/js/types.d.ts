/** What the application sees of Herald, and the frames of herald.v1 as the client reads them. */

export type State = "connecting" | "live" | "catching_up" | "offline";

/** A generation's result as Herald publishes it; a notice knows little more than status and error. */
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
  error?: { code: string; message: string };
  /** The prompt was shortened to fit a frame. */
  truncated?: boolean;
}

/** CloudEvents 1.0; `subject` is the generation's id. */
export interface HeraldEvent {
  specversion: "1.0";
  id: string;
  source: string;
  type: "herald.generation.complete" | "herald.generation.error";
  subject: string;
  time: string;
  datacontenttype: "application/json";
  userid: string;
  epoch?: string;
  sequence?: string;
  data: Generation;
}

/** Where an event stands in its stream; both are null for a notice outside the stream. */
export interface Place {
  epoch: string | null;
  offset: number | null;
  replayed: boolean;
}

/** Without an epoch: at the beginning of a stream that has no event yet. */
export interface StreamPosition {
  epoch?: string;
  offset: number;
}

/** Events that cannot be had any more: reload the state they would have changed. */
export interface Gap {
  requested: { epoch?: string | null; offset: number };
  epoch: string | null;
  earliest: number | null;
  head: number;
  /** `missing`: an event of the retained range that did not come within ten minutes. */
  reason: "expired" | "epoch_changed" | "ahead" | "limit" | "missing";
}

export interface HeraldError {
  name: string;
  message: string;
  code?: number;
  cause?: unknown;
}

export interface Handlers {
  /** Each event once, as it comes; a late one may follow its successors. */
  event: (event: HeraldEvent, place: Place) => void;
  state: (state: State) => void;
  /** The position is taken: load the application's own state now, at the start and after each gap. */
  load: (reason: "start" | "gap") => void;
  gap: (gap: Gap) => void;
  error: (error: HeraldError) => void;
}

export interface HeraldOptions {
  /** wss://… of the deployment's WebSocket API, with its stage. */
  url: string;
  /** Gives a fresh JWT; called for every connect and before the present token ends. */
  token: () => string | Promise<string>;
  /** Tells the positions of several users of one browser apart. */
  user?: string;
  /** Let a new tab begin where this user's tabs last were, instead of from now. */
  durable?: boolean;
  onEvent?: Handlers["event"];
  onState?: Handlers["state"];
  onLoad?: Handlers["load"];
  onGap?: Handlers["gap"];
  onError?: Handlers["error"];
  /** Replaces parts of the surroundings: another WebSocket, a test's clock. */
  platform?: Partial<Platform>;
}

export interface HeraldClient {
  readonly state: State;
  /** The stream's epoch and the contiguous offset handled so far; null before the first welcome. */
  readonly position: StreamPosition | null;
  /** Calls `handler` at every such event; returns the function that ends it. */
  on<N extends keyof Handlers>(name: N, handler: Handlers[N]): () => void;
  /** Connects again after `close()` or a refusal, and at once where a reconnect was waiting. */
  connect(): void;
  /** Ends the connection; the position is kept. */
  close(): void;
  /** Closes and forgets every handler and listener. */
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
  send(data: string): void;
  close(code?: number): void;
}

export interface Platform {
  WebSocket: new (url: string, protocols: string[]) => Socket;
  setTimeout: (callback: () => void, ms: number) => unknown;
  clearTimeout: (timer: any) => void;
  now: () => number;
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
  /** When it opened, when to ask for it next (epoch milliseconds), and how often it was asked for. */
  since: number;
  due: number;
  tries: number;
}

export interface Snapshot {
  epoch: string | null;
  highest: number;
  floor: number;
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
  event: HeraldEvent;
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
      lifetime_ms: number;
      token_ms?: number | null;
    }
  | { type: "caught_up"; re: number; offset: number }
  | ({ type: "gap"; re?: number } & Gap)
  | { type: "pong"; re: number; epoch: string | null; head: number }
  | { type: "auth_ok"; re: number; token_ms?: number | null }
  | { type: "error"; re?: number; code: number; name: string; message: string; retry_after_ms?: number }
  | {
      type: "close";
      re?: undefined;
      code: number;
      name: string;
      reconnect?: "now" | "backoff" | "never";
      retry_after_ms?: number;
    };

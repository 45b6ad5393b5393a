import type { ConnectionState, Finished, Generation, Handlers, HeraldOptions, Row, StreamPosition } from "../types.js";

/**
 * Keeps an application's generations up to date: each event of a user arrives exactly once, and events that can no
 * longer be recovered are reported as a gap.
 *
 * The constructor does nothing but keep its options, so it can be called at module scope and on a server. `connect()`
 * connects.
 *
 * @template {Row} [R=Row]
 */
export class Herald<R extends Row = Row> {
    /** @param {HeraldOptions<R>} options */
    constructor(options: HeraldOptions<R>);
    /**
     * The state of the connection and its reason; the same object until it changes.
     *
     * @returns {ConnectionState}
     */
    get connection(): ConnectionState;
    /**
     * The stream's epoch and the contiguous offset handled so far; null before the first welcome.
     *
     * @returns {StreamPosition | null}
     */
    get position(): StreamPosition | null;
    /**
     * All generations: those of `load` in its order, newer ones before them; the same array until one of them changes.
     *
     * @returns {readonly Generation<R>[]}
     */
    get generations(): readonly Generation<R>[];
    /**
     * One generation; the same object until it changes.
     *
     * @param {string} id
     * @returns {Generation<R> | undefined}
     */
    generation(id: string): Generation<R> | undefined;
    /**
     * Adds a row that the application has from elsewhere, for example from the request that started the generation.
     *
     * @param {R} row
     */
    put(row: R): void;
    /**
     * Calls `handler` for every event of this name; returns a function that removes the handler.
     *
     * @template {keyof Handlers} N
     * @param {N} name
     * @param {Handlers<R>[N]} handler
     * @returns {() => void}
     */
    on<N extends keyof Handlers>(name: N, handler: Handlers<R>[N]): () => void;
    /**
     * Calls `handler` for the next event of this name only; returns a function that removes the handler.
     *
     * @template {keyof Handlers} N
     * @param {N} name
     * @param {Handlers<R>[N]} handler
     * @returns {() => void}
     */
    once<N extends keyof Handlers>(name: N, handler: Handlers<R>[N]): () => void;
    /**
     * Removes a handler.
     *
     * @template {keyof Handlers} N
     * @param {N} name
     * @param {Handlers<R>[N]} handler
     */
    off<N extends keyof Handlers>(name: N, handler: Handlers<R>[N]): void;
    /**
     * Calls `handler` with one generation: now, if it is known, and whenever it changes. Returns a function that ends this.
     *
     * @param {string} id
     * @param {(generation: Generation<R>) => unknown} handler
     * @returns {() => void}
     */
    subscribe(id: string, handler: (generation: Generation<R>) => unknown): () => void;
    /**
     * Returns the generation once it has a result, a picture or an error. Rejects if `signal` is aborted, or if the client
     * is disposed of.
     *
     * @param {string} id
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {Promise<Finished<R>>}
     */
    waitFor(id: string, { signal }?: {
        signal?: AbortSignal;
    }): Promise<Finished<R>>;
    /**
     * Connects, and stays connected until `close()`. After a refusal, tries again; if a reconnect is scheduled, connects
     * at once. Throws an Error if the environment has no WebSocket, or after `dispose()`.
     */
    connect(): void;
    /** Closes the connection until `connect()` is called; the position is kept. */
    close(): void;
    /**
     * Cancels a running generation of the user. Resolves to whether Herald canceled it; false also if there is no
     * connection or no answer.
     *
     * @param {string} id
     * @returns {Promise<boolean>}
     */
    cancel(id: string): Promise<boolean>;
    /**
     * Closes the connection for good, and removes every handler.
     *
     * @param {{ forget?: boolean }} [options] `forget` also deletes the stored position, for example when the user signs out
     */
    dispose({ forget }?: {
        forget?: boolean;
    }): void;
    #private;
}

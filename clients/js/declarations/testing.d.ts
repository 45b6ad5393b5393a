import type { HeraldOptions, Platform, Result } from "../types.js";

/**
 * A Herald in memory, for an application's own tests: the real client talks to it without a network.
 *
 * ```js
 * const fake = new FakeHerald();
 * const herald = new Herald({ ...fake.options, load });
 * herald.connect();
 * await fake.complete("id-1", { imageUrl: "https://images.example.com/1.png" });
 * ```
 *
 * `complete`, `fail`, `progress`, `drop` and `refuse` return a promise that is resolved when the client has connected and
 * has received what was sent. Dispose of the client at the end of the test: its timers would keep Node.js running.
 */
export class FakeHerald {
    /** While true, no connection opens. */
    refusing: boolean;
    /**
     * Options of the client that connect it to this Herald. Spread them, and add your own.
     *
     * @returns {Pick<HeraldOptions, "url" | "token" | "user"> & { platform: Partial<Platform> }}
     */
    get options(): Pick<HeraldOptions, "url" | "token" | "user"> & {
        platform: Partial<Platform>;
    };
    /** The number of open connections. */
    get connections(): number;
    /**
     * Completes a generation.
     *
     * @param {string} id
     * @param {Partial<Result>} [data]
     */
    complete(id: string, data?: Partial<Result>): Promise<void>;
    /**
     * Fails a generation.
     *
     * @param {string} id
     * @param {{ code?: string, message?: string, providerCode?: string }} [error]
     */
    fail(id: string, error?: {
        code?: string;
        message?: string;
        providerCode?: string;
    }): Promise<void>;
    /**
     * Reports progress.
     *
     * @param {string} id
     * @param {number | null} progress from 0 to 1
     * @param {{ step?: string | null, previewUrl?: string | null }} [more]
     */
    progress(id: string, progress: number | null, { step, previewUrl }?: {
        step?: string | null;
        previewUrl?: string | null;
    }): Promise<void>;
    /** Loses the messages that would be sent until `resume()`; their events are replayed after a reconnect. */
    pause(): void;
    resume(): void;
    /** Drops all connections, as a network does that changes. The client reconnects by itself. */
    drop(): Promise<void>;
    /**
     * Ends all connections for good, as an operator does who revokes a user's sessions.
     *
     * @param {string} [name]
     * @param {number} [code]
     */
    refuse(name?: string, code?: number): Promise<void>;
    /** Forgets all events so far: a client that has missed some gets a gap when it reconnects. */
    expire(): void;
    /** Resolves when the client has received what was sent so far. */
    settled(): Promise<void>;
    #private;
}

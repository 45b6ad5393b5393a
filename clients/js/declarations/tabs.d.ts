import type { Socket } from "../types.js";

/**
 * A WebSocket that the tabs of a user share: `new Herald({ …, platform: { WebSocket: SharedWebSocket } })`.
 *
 * One tab leads: it has the connection, and passes frames on to the others. Each tab's client has its own position, so
 * every tab still receives each event exactly once. When the leading tab is closed, another one leads, and the clients
 * resume from their positions. Without Web Locks or BroadcastChannel, and if the leading tab does not respond, a tab has
 * a connection of its own.
 *
 * @implements {Socket}
 */
export class SharedWebSocket implements Socket {
    /**
     * @param {string} url
     * @param {string[]} protocols
     */
    constructor(url: string, protocols: string[]);
    /** @type {Socket["onopen"]} */
    onopen: Socket["onopen"];
    /** @type {Socket["onmessage"]} */
    onmessage: Socket["onmessage"];
    /** @type {Socket["onclose"]} */
    onclose: Socket["onclose"];
    /** @type {Socket["onerror"]} */
    onerror: Socket["onerror"];
    url: string;
    protocols: string[];
    /** @param {string} data */
    send(data: string): void;
    /** @param {number} [code] */
    close(code?: number): void;
    #private;
}

import type { ConnectionState, Generation, Row } from "../types.js";
import type { Herald } from "./herald.js";
import type { ReactNode } from "react";

/**
 * Makes a client available to the hooks. The client is connected while the provider is mounted.
 *
 * @param {{ client: Herald<any>, children?: ReactNode }} props
 */
export function HeraldProvider({ client, children }: {
    client: Herald<any>;
    children?: ReactNode;
}): import("react").FunctionComponentElement<import("react").ProviderProps<Herald<any> | null>>;
/**
 * Returns the provider's client, for example for `on()` in an effect. Throws outside a provider.
 *
 * @template {Row} [R=Row]
 * @returns {Herald<R>}
 */
export function useHerald<R extends Row = Row>(): Herald<R>;
/**
 * Returns one generation; undefined until the client knows it.
 *
 * @template {Row} [R=Row]
 * @param {string} id
 * @returns {Generation<R> | undefined}
 */
export function useGeneration<R extends Row = Row>(id: string): Generation<R> | undefined;
/**
 * Returns all generations: those of `load` in its order, newer ones before them.
 *
 * @template {Row} [R=Row]
 * @returns {readonly Generation<R>[]}
 */
export function useGenerations<R extends Row = Row>(): readonly Generation<R>[];
/**
 * Returns the state of the connection, and its reason.
 *
 * @returns {ConnectionState}
 */
export function useConnectionState(): ConnectionState;

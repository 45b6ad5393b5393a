"use client";

/**
 * @import { Herald } from './herald.js'
 * @import { ConnectionState, Generation, Row } from './types.js'
 * @import { ReactNode } from 'react'
 */

import { createContext, createElement, useCallback, useContext, useEffect, useSyncExternalStore } from "react";

const Context = createContext(/** @type {Herald<any> | null} */ (null));

/** What a server renders, and what the browser renders first: the client has not connected. */
const CLOSED = Object.freeze({ state: /** @type {const} */ ("closed"), reason: "new" });
/** @type {readonly never[]} */
const NONE = Object.freeze([]);

/**
 * Makes a client available to the hooks. The client is connected while the provider is mounted.
 *
 * @param {{ client: Herald<any>, children?: ReactNode }} props
 */
export function HeraldProvider({ client, children }) {
  useEffect(() => {
    client.connect();
    return () => client.close();
  }, [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/**
 * Returns the provider's client, for example for `on()` in an effect. Throws outside a provider.
 *
 * @template {Row} [R=Row]
 * @returns {Herald<R>}
 */
export function useHerald() {
  const client = useContext(Context);
  if (!client) throw new Error("wrap the component in <HeraldProvider client={…}>");
  return client;
}

/**
 * Returns one generation; undefined until the client knows it.
 *
 * @template {Row} [R=Row]
 * @param {string} id
 * @returns {Generation<R> | undefined}
 */
export function useGeneration(id) {
  const client = /** @type {Herald<R>} */ (useHerald());
  return useSnapshot("generations", () => client.generation(id), undefined);
}

/**
 * Returns all generations: those of `load` in its order, newer ones before them.
 *
 * @template {Row} [R=Row]
 * @returns {readonly Generation<R>[]}
 */
export function useGenerations() {
  const client = /** @type {Herald<R>} */ (useHerald());
  return useSnapshot("generations", () => client.generations, NONE);
}

/**
 * Returns the state of the connection, and its reason.
 *
 * @returns {ConnectionState}
 */
export function useConnectionState() {
  const client = useHerald();
  return useSnapshot("state", () => client.connection, CLOSED);
}

/**
 * @template T
 * @param {"generations" | "state"} name the event after which the value may have changed
 * @param {() => T} read
 * @param {T} atFirst the value on a server, and while the browser takes over the server's page
 * @returns {T}
 */
function useSnapshot(name, read, atFirst) {
  const client = useHerald();
  const subscribe = useCallback((/** @type {() => void} */ changed) => client.on(name, () => changed()), [client, name]);
  return useSyncExternalStore(subscribe, read, () => atFirst);
}

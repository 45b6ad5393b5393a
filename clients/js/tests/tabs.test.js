/** Which tabs share a connection. Browsers' own Web Locks and channels are in tests/browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedWebSocket } from "../tabs.js";
import { jwt } from "./world.js";

const URL = "wss://herald.example/test";

/** Replaces what a browser has, and records the channels and connections that sockets open. */
function browser(t) {
  const opened = { channels: new Set(), sockets: [] };
  const replaced = {
    navigator: { locks: { request: () => new Promise(() => {}) } },
    BroadcastChannel: class {
      constructor(name) {
        opened.channels.add(name);
      }
      postMessage() {}
      close() {}
    },
    WebSocket: class {
      constructor(url, protocols) {
        opened.sockets.push(protocols[1]);
      }
      close() {}
    },
  };
  for (const [name, value] of Object.entries(replaced)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  return opened;
}

function open(token) {
  new SharedWebSocket(URL, ["herald.v1", `bearer.${token}`]).close();
}

test("only tabs of the same user share a connection", (t) => {
  const { channels, sockets } = browser(t);
  for (const user of ["alice", "bob", "alice"]) open(jwt(user));
  assert.deepEqual([...channels], [`herald:${URL}:alice`, `herald:${URL}:bob`]);
  assert.deepEqual(sockets, []);
});

test("a tab whose token names no user has a connection of its own", (t) => {
  const { channels, sockets } = browser(t);
  open("opaque");
  assert.deepEqual([[...channels], sockets], [[], ["bearer.opaque"]]);
});

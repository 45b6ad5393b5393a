/** The network fails and comes back; the wall clock jumps. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { defaultPlatform } from "../platform.js";
import { createTimers } from "../timers.js";
import { E1, frame, MINUTE, SECOND, settle, World } from "./world.js";

const HOUR = 60 * MINUTE;

/** How long a connection that has died silently stays in use, in milliseconds. */
async function untilNoticed(world, peer) {
  const died = world.clock.time;
  while (peer.closed === null && world.clock.time < died + 2 * HOUR) await world.clock.advance(100);
  return world.clock.time - died;
}

test("a dead connection is noticed in 11 seconds, even if a frame arrived just before the network failed", async () => {
  for (const quiet of [1_500, 3_500, 4_900, 6_500]) {
    const world = new World();
    const { herald, peer } = await world.live(0);
    await peer.say(frame(1));
    await world.clock.advance(quiet);
    world.window.dispatchEvent(new Event("offline"));
    assert.equal(herald.connection.state, "offline");
    world.window.dispatchEvent(new Event("online"));
    assert.equal(peer.got("ping").length, 1);
    assert.equal(herald.connection.state, "offline", "nothing has arrived over the new network");
    const noticed = await untilNoticed(world, peer);
    assert.ok(noticed <= 11 * SECOND, `${noticed} ms, for a frame ${quiet} ms earlier`);
    await world.reconnected();
  }
});

test("a connection that survives a network failure is live again with the next frame", async () => {
  const world = new World();
  const { herald, peer } = await world.live(3);
  world.window.dispatchEvent(new Event("offline"));
  world.window.dispatchEvent(new Event("online"));
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 3 });
  assert.equal(herald.connection.state, "live");
  await world.clock.advance(MINUTE);
  assert.equal(world.peers.length, 1);
  assert.deepEqual(world.states, ["connecting", "live", "offline", "live"]);
});

test("a hidden tab also checks its connection when the network comes back", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  world.document.visibilityState = "hidden";
  world.window.dispatchEvent(new Event("offline"));
  world.window.dispatchEvent(new Event("online"));
  assert.equal(peer.got("ping").length, 1);
});

test("a dead connection is noticed in the usual time, even if the wall clock jumps", async () => {
  const usual = [];
  for (const jump of [0, -5 * MINUTE, -HOUR, HOUR]) {
    const world = new World();
    const { peer } = await world.live(0);
    await world.clock.advance(60 * SECOND);
    world.clock.wallOffset += jump;
    usual.push(await untilNoticed(world, peer));
  }
  assert.ok(usual[0] <= 241 * SECOND, String(usual));
  assert.deepEqual(new Set(usual), new Set([usual[0]]));
});

test("a hole is requested after two seconds and given up after ten minutes, even if the wall clock jumps", async () => {
  for (const jump of [-HOUR, HOUR]) {
    const world = new World();
    const { peer } = await world.live(41);
    await peer.say(frame(43));
    await world.clock.advance(SECOND);
    world.clock.wallOffset += jump;
    await world.clock.advance(SECOND);
    assert.equal(peer.got("history").length, 1);
    await peer.caughtUp(41, "history");
    await answering(world, peer, 9 * MINUTE);
    assert.deepEqual(world.gaps, [], "the hole is younger than ten minutes");
    await answering(world, peer, MINUTE);
    assert.deepEqual(world.gaps.map(({ reason }) => reason), ["missing"]);
  }
});

test("by default, elapsed time comes from a clock that does not follow the wall clock", (t) => {
  const { now } = defaultPlatform();
  const before = now();
  assert.ok(Math.abs(before - Date.now()) < HOUR, "its times can be stored, and compared after a reload");
  t.mock.method(Date, "now", () => before - HOUR);
  assert.ok(Math.abs(now() - before) < MINUTE);
});

test("by default, timers are those of the moment, so that an application's tests can replace them at any time", (t) => {
  const { setTimeout, clearTimeout } = defaultPlatform();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const calls = [];
  setTimeout(() => calls.push("kept"), SECOND);
  clearTimeout(setTimeout(() => calls.push("cleared"), SECOND));
  t.mock.timers.tick(SECOND);
  assert.deepEqual(calls, ["kept"]);
});

test("no timer has a negative delay, of which Node.js would warn", () => {
  const delays = [];
  createTimers({ setTimeout: (_, ms) => delays.push(ms), clearTimeout: () => {} }).start(-0.001, () => {});
  assert.deepEqual(delays, [0]);
});

test("\"online\" sends a ping, even if the wall clock jumps", async () => {
  for (const jump of [-HOUR, HOUR]) {
    const world = new World();
    const { peer } = await world.live(0);
    world.clock.wallOffset += jump;
    world.window.dispatchEvent(new Event("online"));
    assert.equal(peer.got("ping").length, 1);
  }
});

test("a hole keeps its age when the page is reloaded; a wall clock that was set back makes it new", async () => {
  for (const [jump, givenUpAfter] of [[0, 4 * MINUTE], [-HOUR, 10 * MINUTE]]) {
    const world = new World();
    const { herald, peer } = await world.live(41);
    await peer.say(frame(43));
    await answering(world, peer, 5 * MINUTE);
    herald.dispose();
    const reloaded = new World();
    reloaded.sessionStorage = world.sessionStorage;
    reloaded.clock.time = 999;
    reloaded.clock.wallOffset = world.clock.wall - 999 + MINUTE + jump;
    const again = await reloaded.live(43);
    await again.peer.caughtUp(43);
    await answering(reloaded, again.peer, givenUpAfter - SECOND);
    assert.deepEqual(reloaded.gaps, []);
    await answering(reloaded, again.peer, 2 * SECOND);
    assert.deepEqual(reloaded.gaps.map(({ reason }) => reason), ["missing"]);
  }
});

/** A socket like Node's `ws`: an error without a listener ends the process, and close() while connecting causes an error. */
function emitterSocket(sockets) {
  return class extends EventEmitter {
    readyState = 0;
    constructor() {
      super();
      sockets.push(this);
    }
    set onerror(handler) {
      this.removeAllListeners("error");
      if (handler) this.on("error", handler);
    }
    send() {}
    close() {
      if (this.readyState === 0) this.emit("error", new Error("closed before the connection was established"));
    }
  };
}

test("a refusal, or dispose() while connecting, does not end the process if the socket's errors must be handled", async () => {
  const sockets = [];
  const world = new World();
  const platform = {
    WebSocket: emitterSocket(sockets),
    setTimeout: world.clock.setTimeout,
    clearTimeout: world.clock.clearTimeout,
    now: () => world.clock.time,
    random: () => 0,
  };
  const client = world.client({ platform });
  await settle();
  sockets[0].emit("error", new Error("connect ECONNREFUSED"));
  sockets[0].onclose();
  await world.clock.advance(SECOND);
  assert.equal(sockets.length, 2);
  client.dispose();
  sockets[1].emit("error", new Error("late"));
  assert.equal(world.clock.pending, 0);
});

/** Lets time pass while the server answers pings and history requests, with no events. */
async function answering(world, peer, ms) {
  for (let passed = 0; passed < ms; passed += SECOND) {
    await world.clock.advance(Math.min(SECOND, ms - passed));
    for (const asked of peer.sent.filter((each) => !each.answered)) {
      asked.answered = true;
      if (asked.action === "ping") await peer.say({ type: "pong", re: asked.id, epoch: E1, head: asked.offset });
      if (asked.action === "history") await peer.say({ type: "caught_up", re: asked.id, offset: asked.since });
    }
  }
}

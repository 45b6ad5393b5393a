import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, frame, MINUTE, SECOND, settle, World } from "./world.js";

test("the token is sent as a subprotocol, and the first frame is hello without resume", async () => {
  const world = new World();
  const herald = world.client();
  assert.deepEqual(herald.connection, { state: "connecting", reason: "connect" });
  await settle();
  assert.deepEqual(world.peer.protocols, ["herald.v1", "bearer.token-1"]);
  assert.equal(world.peer.url, "wss://herald.example/test");
  await world.peer.open();
  assert.deepEqual(world.peer.sent, [{ action: "hello", id: 1 }]);
  await world.peer.welcome(44);
  assert.deepEqual(world.states, ["connecting", "live"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 44 });
});

test("blanks and line breaks around a token are removed, for a connection and for its renewal", async () => {
  const world = new World();
  const { peer } = await world.live(0, { token: () => " token\r\n", welcome: { token_ms: 100 * SECOND } });
  assert.deepEqual(peer.protocols, ["herald.v1", "bearer.token"]);
  await world.clock.advance(80 * SECOND);
  assert.equal(peer.last("auth").token, "token");
});

test("the state is loaded once, after the position is known, and not again after a reconnect that recovers", async () => {
  const world = new World();
  const herald = world.client({ load: ({ reason }) => void world.loads.push([reason, herald.position.offset]) });
  await settle();
  await world.peer.open();
  assert.deepEqual(world.loads, []);
  await world.peer.welcome(44);
  assert.deepEqual(world.loads, [["start", 44]]);
  await world.peer.drop();
  await (await world.reconnected()).welcome(44);
  assert.deepEqual(world.loads, [["start", 44]]);
});

test("live events before the welcome are delivered after the rows, and count as received once the position is known", async () => {
  const world = new World();
  const herald = world.client();
  await settle();
  await world.peer.open();
  await world.peer.say(frame(46), frame(45));
  assert.deepEqual(world.ids, []);
  await world.peer.welcome(44);
  assert.deepEqual(world.log, ["load start", "event-46", "event-45"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 46 });
  await world.peer.say(frame(46), frame(45), frame(47));
  assert.deepEqual(world.ids, ["event-46", "event-45", "event-47"]);
});

test("a lost connection resumes from the cursor through catching_up, without loss or duplicates", async () => {
  const world = new World();
  const { herald, peer } = await world.live(10);
  await peer.say(frame(11));
  await peer.drop();
  assert.deepEqual(herald.connection, { state: "reconnecting", reason: "connection_lost" });
  const again = await world.reconnected();
  assert.deepEqual(again.last("hello").resume, { epoch: E1, offset: 11 });
  assert.deepEqual(again.protocols[1], "bearer.token-2");
  await again.welcome(14, { replaying: 3 });
  assert.equal(herald.connection.state, "catching_up");
  await again.say(frame(14), { type: "events", items: [11, 12, 13, 14].map((n) => frame(n, { replayed: true })) });
  await again.caughtUp(14);
  assert.equal(herald.connection.state, "live");
  assert.deepEqual(world.ids, ["event-11", "event-14", "event-12", "event-13"]);
  assert.deepEqual(world.states, ["connecting", "live", "reconnecting", "catching_up", "live"]);
});

test("the replay may be complete before the welcome arrives", async () => {
  const world = new World();
  const { herald, peer } = await world.live(10);
  await peer.drop();
  const again = await world.reconnected();
  await again.say({ type: "events", items: [frame(11, { replayed: true })] });
  await again.caughtUp(11);
  await again.welcome(11, { replaying: 1 });
  assert.equal(herald.connection.state, "live");
  assert.deepEqual(world.ids, ["event-11"]);
});

test("reconnect delays are spread over a range that doubles from 0.5 to 20 seconds", async () => {
  for (const [random, expected] of [
    [0, [500, 500, 500, 500, 500, 500, 500]],
    [0.999999, [1000, 2000, 4000, 8000, 16000, 20000, 20000]],
  ]) {
    const world = new World();
    world.random = random;
    world.client();
    await settle();
    const delays = [];
    for (const _ of expected) {
      const started = world.clock.time;
      await world.peer.drop();
      await world.reconnected();
      delays.push(world.clock.time - started);
    }
    delays.forEach((delay, n) => assert.ok(Math.abs(delay - expected[n]) <= 50, `${delays} for ${random}`));
  }
});

test("the backoff is reset only after a stable connection", async () => {
  const world = new World();
  world.random = 0.999999;
  await world.live(0);
  for (const _ of [1, 2, 3]) {
    await world.peer.drop();
    await (await world.reconnected()).welcome(0);
  }
  let started = world.clock.time;
  await world.peer.drop();
  await (await world.reconnected()).welcome(0);
  assert.ok(world.clock.time - started > 7_000, "a flapping connection backs off further");
  await world.clock.advance(11 * SECOND);
  started = world.clock.time;
  await world.peer.drop();
  await world.reconnected();
  assert.ok(world.clock.time - started <= 1_050, "a stable connection does not");
});

test("a connection without a response to hello is abandoned after ten seconds", async () => {
  const world = new World();
  world.client();
  await settle();
  const silent = world.peer;
  await world.clock.advance(9 * SECOND);
  await silent.open();
  await world.clock.advance(10 * SECOND - 1);
  assert.equal(silent.closed, null, "opening the socket has its own ten seconds");
  await world.clock.advance(1);
  assert.equal(silent.closed, 1000);
  await world.reconnected();
  const unopened = world.peers.length;
  await world.peer.drop();
  await world.clock.advance(2 * SECOND);
  assert.equal(world.peers.length, unopened + 1);
  await world.clock.advance(10 * SECOND);
  assert.equal(world.peers[unopened].closed, 1000);
});

test("a hello that API Gateway could not route is retried", async () => {
  const world = new World();
  world.client();
  await settle();
  await world.peer.open();
  await world.peer.say({ message: "Internal server error", connectionId: "x", requestId: "y" });
  await (await world.reconnected()).welcome(3);
  assert.equal(world.states.at(-1), "live");
});

test("a stalled replay is resumed on a new connection", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(20, { replaying: 10 });
  await world.clock.advance(9 * SECOND);
  await again.say({ type: "events", items: [frame(11, { replayed: true })] });
  await world.clock.advance(9 * SECOND);
  assert.equal(again.closed, null);
  await world.clock.advance(2 * SECOND);
  assert.equal(again.closed, 1000);
  assert.deepEqual((await world.reconnected()).last("hello").resume, { epoch: E1, offset: 11 });
});

test("a token that cannot be fetched, or hangs, is an error and is retried", async () => {
  const world = new World();
  const answers = [
    () => Promise.reject(new Error("signed out")),
    () => new Promise(() => {}),
    () => "good",
  ];
  world.client({ token: () => answers.shift()() });
  await settle();
  assert.match(world.errors[0].message, /signed out/);
  assert.equal(world.states.at(-1), "reconnecting");
  await world.clock.advance(17 * SECOND);
  assert.match(world.errors[1].message, /within 15 s/);
  await world.clock.advance(3 * SECOND);
  assert.deepEqual(world.peer.protocols, ["herald.v1", "bearer.good"]);
});

test("a ping with the contiguous offset is sent every ping_ms; after two missing pongs the connection is replaced", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  await peer.say(frame(11), frame(13));
  await world.clock.advance(270 * SECOND);
  const { id, ...ping } = peer.last("ping");
  assert.deepEqual(ping, { action: "ping", epoch: E1, offset: 11 });
  await peer.say({ type: "pong", re: id, epoch: E1, head: 13 });
  await world.clock.advance(20 * SECOND);
  assert.equal(peer.closed, null);
  await world.clock.advance(250 * SECOND);
  assert.equal(peer.got("ping").length, 2);
  world.random = 0.5; // of the twenty seconds before the second ping
  await world.clock.advance(10 * SECOND + 9_999);
  assert.equal(peer.got("ping").length, 2);
  await world.clock.advance(1);
  assert.equal(peer.got("ping").length, 3);
  await world.clock.advance(9_999);
  assert.equal(peer.closed, null);
  await world.clock.advance(1);
  assert.equal(peer.closed, 1000);
  await world.reconnected();
});

test("a throttled ping does not close the connection, because any received frame counts as an answer", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  const refused = { message: "Too Many Requests", connectionId: "abc=", requestId: "1" }; // API Gateway's own, untyped
  await world.clock.advance(270 * SECOND);
  for (const [number, arrived] of [refused, frame(11)].entries()) {
    assert.equal(peer.got("ping").length, number + 1);
    await world.clock.advance(SECOND);
    await peer.say(arrived);
    await world.clock.advance(268 * SECOND);
    assert.equal(peer.got("ping").length, number + 1);
    assert.equal(peer.closed, null);
    await world.clock.advance(SECOND);
  }
});

test("when the network is back or the tab is visible again, the client reconnects at once", async () => {
  const world = new World();
  world.random = 0.999999;
  const { peer } = await world.live(0);
  await peer.drop();
  world.window.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(world.peers.length, 2);
  await world.peer.open();
  await world.peer.welcome(0);
  world.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(world.peer.got("ping").length, 0, "a frame arrived just now");
  await world.clock.advance(MINUTE);
  world.document.visibilityState = "hidden";
  world.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(world.peer.got("ping").length, 0);
  world.document.visibilityState = "visible";
  world.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(world.peer.got("ping").length, 1, "after a quiet minute it is checked");
});

test("close() stops everything, connect() resumes from the position, dispose() leaves no timer behind", async () => {
  const world = new World();
  const { herald, peer } = await world.live(5);
  await peer.say(frame(6));
  herald.close();
  assert.equal(peer.closed, 1000);
  assert.deepEqual(herald.connection, { state: "closed", reason: "closed" });
  assert.equal(world.clock.pending, 0);
  await peer.say(frame(7));
  assert.deepEqual(world.ids, ["event-6"]);
  world.window.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(world.peers.length, 1);
  herald.connect();
  await settle();
  await world.peer.open();
  assert.deepEqual(world.peer.last("hello").resume, { epoch: E1, offset: 6 });
  herald.dispose();
  assert.equal(world.clock.pending, 0);
});

test("a client that is closed while it waits for a token opens no connection", async () => {
  const world = new World();
  let give;
  const herald = world.client({ token: () => new Promise((resolve) => (give = resolve)) });
  await settle();
  herald.close();
  give("late");
  await settle();
  assert.equal(world.peers.length, 0);
  assert.equal(world.clock.pending, 0);
});

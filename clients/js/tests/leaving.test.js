/** How a connection ends: close frames, refusals, rotation, token renewal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, frame, MINUTE, SECOND, settle, World } from "./world.js";

// 110 minutes minus 5 %, because rotation is spread over the last tenth of the lifetime and the
// random number in these tests is 0.5.
const ROTATES = 104.5 * MINUTE;

const close = (code, reconnect, retry_after_ms = 0) => ({ type: "close", code, name: "n", reconnect, retry_after_ms });

test("a close frame with reconnect \"now\" reconnects at once", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.say(close(4200, "now"));
  assert.equal(peer.closed, 1000);
  await world.clock.advance(0);
  assert.equal(world.peers.length, 2);
  assert.deepEqual(world.peer.protocols[1], "bearer.token-2");
});

test("a repeated close with reconnect \"now\" backs off", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.say(close(4202, "now"));
  await world.clock.advance(0);
  await world.peer.open();
  await world.peer.say(close(4202, "now"));
  await world.clock.advance(499);
  assert.equal(world.peers.length, 2);
  await world.reconnected(5 * SECOND);
});

test("a close frame with reconnect \"backoff\" waits retry_after_ms even if the network comes back", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.say(close(4100, "backoff", 30 * SECOND));
  await world.clock.advance(29 * SECOND);
  world.window.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(world.peers.length, 1);
  await world.clock.advance(2 * SECOND);
  assert.equal(world.peers.length, 2);
});

test("a close frame with reconnect \"never\" is a refusal and reports an error; connect() tries again", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0);
  await peer.say(close(4011, "never"));
  assert.deepEqual(herald.connection, { state: "refused", reason: "n" });
  assert.deepEqual(world.errors.map(({ code }) => code), [4011]);
  assert.equal(world.clock.pending, 0);
  herald.connect();
  await settle();
  assert.equal(world.peers.length, 2);
});

test("without a reconnect field, the range of the code determines whether the client reconnects", async () => {
  for (const [code, reconnects] of [[4003, false], [4101, true], [4201, true]]) {
    const world = new World();
    const { peer } = await world.live(0);
    await peer.say(close(code, undefined));
    await world.clock.advance(20 * SECOND);
    assert.equal(world.peers.length > 1, reconnects, String(code));
  }
});

test("after a refused hello, the range of the code determines whether the client reconnects", async () => {
  for (const [code, reconnects] of [[4001, false], [4100, true]]) {
    const world = new World();
    world.client();
    await settle();
    await world.peer.open();
    await world.peer.say({ type: "error", re: 1, code, name: "refused", message: "no", retry_after_ms: 5_000 });
    await world.clock.advance(4 * SECOND);
    assert.equal(world.peers.length, 1);
    await world.clock.advance(3 * SECOND);
    assert.equal(world.peers.length > 1, reconnects, String(code));
    assert.equal(world.errors[0].code, code);
  }
});

const notStored = { type: "error", re: null, code: 4100, name: "overloaded", message: "An event could not be stored." };

test("an event that could not be stored makes the application load its state again", async () => {
  const world = new World();
  const { herald, peer } = await world.live(10);
  await peer.say(notStored);
  assert.equal(world.errors[0].name, "overloaded");
  assert.deepEqual(world.loads, ["start", "error"]);
  assert.equal(herald.connection.state, "live");
  assert.deepEqual(herald.position, { epoch: E1, offset: 10 });
});

test("before the first load, an event that could not be stored adds no load", async () => {
  const world = new World();
  world.client();
  await settle();
  await world.peer.open();
  await world.peer.say(notStored);
  assert.deepEqual(world.loads, []);
  await world.peer.welcome(10);
  assert.deepEqual(world.loads, ["start"]);
});

test("an error that answers a request, or has another code, loads nothing", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  await peer.say(frame(12));
  await world.clock.advance(2 * SECOND);
  await peer.say({ ...notStored, re: peer.last("history").id }, { ...notStored, code: 4012 });
  assert.deepEqual(world.loads, ["start"]);
});

test("after too many connections, only a tab that is shown again reconnects", async () => {
  const world = new World();
  const { herald, peer } = await world.live(5);
  await peer.say(close(4014, "never"));
  assert.equal(herald.connection.state, "refused");
  assert.deepEqual(world.errors.map(({ code }) => code), [4014]);
  world.window.dispatchEvent(new Event("offline"));
  world.window.dispatchEvent(new Event("online"));
  show(world, "hidden");
  await world.clock.advance(60 * MINUTE);
  assert.equal(world.peers.length, 1);
  show(world, "visible");
  await settle();
  await world.peer.open();
  assert.deepEqual(world.peer.last("hello").resume, { epoch: E1, offset: 5 });
});

test("a tab that was evicted and then closed by the application does not reconnect when it is shown", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0);
  await peer.say(close(4014, "never"));
  herald.close();
  show(world, "visible");
  await settle();
  assert.equal(world.peers.length, 1);
});

test("a revoked session never reconnects, not even when its tab is shown", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.say(close(4011, "never"));
  world.window.dispatchEvent(new Event("online"));
  show(world, "hidden");
  show(world, "visible");
  await world.clock.advance(60 * MINUTE);
  assert.equal(world.peers.length, 1);
});

test("a hello refused for its rate is repeated on the same connection after retry_after_ms, not earlier, even if the network returns or the tab is shown", async () => {
  const world = new World();
  world.random = 0;
  const { peer: old } = await world.live(10, { welcome: { token_ms: null, lifetime_ms: 60 * SECOND } });
  await world.clock.advance(60 * SECOND);
  const refused = world.peer;
  await refused.open();
  const re = refused.last("hello").id;
  await refused.say({ type: "error", re, code: 4102, name: "rate_limited", message: "no", retry_after_ms: 40_000 });
  await old.drop();
  world.window.dispatchEvent(new Event("online"));
  show(world, "visible");
  await refused.say(frame(12));
  assert.deepEqual(world.ids, ["event-12"]);
  await world.clock.advance(39_999);
  assert.equal(refused.got("hello").length, 1);
  await world.clock.advance(1);
  assert.deepEqual(refused.got("hello").map(({ resume }) => resume), Array(2).fill({ epoch: E1, offset: 10 }));
  assert.equal(world.peers.length, 2);
});

test("a connection is replaced before it expires; the new one is ready before the old one is closed", async () => {
  const world = new World();
  const { herald, peer: old } = await world.live(10, { welcome: { token_ms: null } });
  await keepAlive(world, old, ROTATES);
  assert.equal(world.peers.length, 2);
  const fresh = world.peer;
  await fresh.open();
  assert.deepEqual(fresh.last("hello").resume, { epoch: E1, offset: 10 });
  await old.say(frame(11));
  await fresh.say(frame(11));
  await fresh.welcome(12, { replaying: 1 });
  assert.equal(old.closed, null);
  assert.equal(herald.connection.state, "live");
  await fresh.say({ type: "events", items: [frame(11, { replayed: true }), frame(12, { replayed: true })] });
  await fresh.caughtUp(12);
  assert.equal(old.closed, 1000);
  assert.deepEqual(world.ids, ["event-11", "event-12"]);
  assert.deepEqual(world.states, ["connecting", "live"]);
});

test("a replacement that fails is retried while the old connection stays in use", async () => {
  const world = new World();
  const { herald, peer: old } = await world.live(10, { welcome: { token_ms: null } });
  await keepAlive(world, old, ROTATES);
  await world.peer.drop();
  assert.equal(herald.connection.state, "live");
  await old.say(frame(11));
  const fresh = await world.reconnected(5 * SECOND);
  await fresh.welcome(11);
  assert.equal(old.closed, 1000);
  assert.deepEqual(world.states, ["connecting", "live"]);
  assert.deepEqual(world.ids, ["event-11"]);
});

test("if the old connection is lost during its replacement, the new one takes over", async () => {
  const world = new World();
  const { herald, peer: old } = await world.live(10, { welcome: { token_ms: null } });
  await keepAlive(world, old, ROTATES);
  const fresh = world.peer;
  await fresh.open();
  await old.drop();
  assert.equal(herald.connection.state, "reconnecting");
  await fresh.welcome(10);
  assert.equal(herald.connection.state, "live");
  await world.clock.advance(30 * SECOND);
  assert.equal(world.peers.length, 2);
});

test("the token is renewed on the connection at 80 % of its lifetime, and later according to the lifetime in auth_ok", async () => {
  const world = new World();
  const { peer } = await world.live(0, { welcome: { token_ms: 100 * SECOND } });
  await world.clock.advance(79_999);
  assert.equal(peer.got("auth").length, 0);
  await world.clock.advance(1);
  const auth = peer.last("auth");
  assert.equal(auth.token, "token-2");
  await peer.say({ type: "auth_ok", re: auth.id, token_ms: 50 * SECOND });
  await world.clock.advance(39_999);
  assert.equal(peer.got("auth").length, 1);
  await world.clock.advance(1);
  assert.equal(peer.last("auth").token, "token-3");
  assert.equal(world.peers.length, 1);
});

test("a failed renewal is retried with backoff", async () => {
  const world = new World();
  let broken = true;
  let asked = 0;
  const token = async () => {
    asked += 1;
    if (broken && asked > 1) throw new Error("no network");
    return `token-${asked}`;
  };
  const { peer } = await world.live(0, { token, welcome: { token_ms: 100 * SECOND } });
  await world.clock.advance(80 * SECOND);
  assert.equal(asked, 2);
  await world.clock.advance(5 * SECOND);
  assert.equal(asked, 4);
  broken = false;
  await world.clock.advance(10 * SECOND);
  assert.equal(peer.got("auth").length, 1);
  await peer.say({ type: "error", re: peer.last("auth").id, code: 4100, name: "overloaded", message: "later" });
  await world.clock.advance(30 * SECOND);
  assert.equal(peer.got("auth").length, 2);
});

test("a credential that never expires is never renewed", async () => {
  const world = new World();
  const { peer } = await world.live(0, { welcome: { token_ms: 0 } });
  await keepAlive(world, peer, 100 * MINUTE);
  assert.equal(peer.got("auth").length, 0);
  assert.equal(world.tokens.length, 1);
});

function show(world, visibilityState) {
  world.document.visibilityState = visibilityState;
  world.document.dispatchEvent(new Event("visibilitychange"));
}

/** Lets time pass while the server answers pings. */
async function keepAlive(world, peer, ms) {
  for (let passed = 0; passed < ms; passed += SECOND) {
    await world.clock.advance(Math.min(SECOND, ms - passed));
    const ping = peer.got("ping").at(-1);
    if (ping && !ping.answered) {
      ping.answered = true;
      await peer.say({ type: "pong", re: ping.id, epoch: ping.epoch, head: ping.offset });
    }
  }
}

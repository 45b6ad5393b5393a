/** The state of the connection with its reason, what the client says about failures, and its two ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Herald } from "../herald.js";
import { close, frame, MINUTE, SECOND, settle, World } from "./world.js";

const options = { url: "wss://herald.example/test", token: () => "token" };

/** The states with their reasons, as the handlers hear them. */
function recording() {
  const heard = [];
  return { heard, on: { state: (state, reason) => heard.push(`${state} ${reason}`) } };
}

test("a client does nothing before connect()", async () => {
  const world = new World();
  const made = new Herald({ ...options, token: () => assert.fail("no token is needed") });
  assert.deepEqual(made.connection, { state: "closed", reason: "new" });
  assert.deepEqual(made.generations, []);
  await settle();
  assert.equal(world.peers.length, 0);
});

test("without a WebSocket, as on a server, connect() throws and says what to do", () => {
  const herald = new Herald({ ...options, platform: { WebSocket: undefined } });
  assert.throws(() => herald.connect(), /no WebSocket.*platform\.WebSocket/);
  assert.equal(herald.connection.state, "closed");
});

test("options that cannot work are refused by name", () => {
  for (const [wrong, message] of [
    [{ url: undefined }, /^url must be/],
    [{ token: "a token" }, /^token must be a function/],
    [{ load: [] }, /^load must be a function/],
  ]) {
    assert.throws(() => new Herald({ ...options, ...wrong }), { name: "TypeError", message });
  }
});

test("connect(), close() and connect() in a row open one connection and ask for one token", async () => {
  const world = new World();
  const herald = world.client();
  herald.close();
  herald.connect();
  await settle();
  assert.equal(world.peers.length, 1);
  assert.equal(world.tokens.length, 1);
});

test("each state has its reason", async () => {
  const world = new World();
  const { heard, on } = recording();
  const herald = world.client({ on });
  await settle();
  await world.peer.open();
  await world.peer.welcome(7);
  await world.peer.say(close(4201, "now", 0, "restarting"));
  await world.clock.advance(0);
  await world.peer.open();
  await world.peer.welcome(8, { replaying: 1 });
  await world.peer.say(frame(8));
  await world.peer.caughtUp(8);
  herald.close();
  herald.connect();
  await settle();
  await world.peer.open();
  await world.peer.welcome(8);
  await world.peer.say(close(4011, "never", 0, "revoked"));
  herald.connect();
  herald.dispose();
  assert.deepEqual(heard, [
    "connecting connect",
    "live ready",
    "reconnecting restarting",
    "catching_up replay",
    "live ready",
    "closed closed",
    "connecting connect",
    "live ready",
    "refused revoked",
    "connecting connect",
    "closed disposed",
  ]);
});

test("offline is shown at once when the browser reports it, and ends with the first frame of a working connection", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0);
  world.window.dispatchEvent(new Event("offline"));
  assert.deepEqual(herald.connection, { state: "offline", reason: "network" });
  world.window.dispatchEvent(new Event("online"));
  assert.equal(herald.connection.state, "offline", "the connection has not been heard of");
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: null, head: 0 });
  assert.equal(herald.connection.state, "live");
});

test("while the network is down, failed attempts do not change the state, and success does", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  world.window.dispatchEvent(new Event("offline"));
  await peer.drop();
  for (let failures = 0; failures < 5; failures += 1) {
    await world.reconnected();
    await world.peer.drop();
  }
  assert.deepEqual(world.states, ["connecting", "live", "offline"]);
  await (await world.reconnected()).welcome(0);
  assert.equal(world.states.at(-1), "live");
});

test("a page that opens without a network is offline at once", async () => {
  const world = new World();
  const herald = world.client({ offline: true });
  assert.deepEqual(herald.connection, { state: "offline", reason: "network" });
});

test("after two sockets that never opened, one error names the likely causes", async () => {
  const world = new World();
  const herald = world.client();
  for (let failures = 0; failures < 4; failures += 1) {
    if (failures) await world.clock.advance(5 * SECOND);
    await settle();
    world.peer.socket.onerror?.({ message: failures ? "Unexpected server response: 401" : "" });
    await world.peer.drop();
    assert.equal(world.errors.length, failures ? 1 : 0);
  }
  const [{ name, message }] = world.errors;
  assert.equal(name, "never_opened");
  assert.match(message, /Unexpected server response: 401/);
  assert.match(message, /the token is not valid/);
  assert.match(message, /wss:\/\/herald\.example\/test is not the WebSocket API/);
  assert.deepEqual(herald.connection, { state: "reconnecting", reason: "not_opened" });
});

test("sockets that fail while the network is down, or after one that opened, are no reason to suspect the origin", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.drop();
  await world.clock.advance(SECOND);
  await world.peer.drop();
  assert.deepEqual(world.errors, []);
  const away = new World();
  away.client();
  await settle();
  away.window.dispatchEvent(new Event("offline"));
  for (let failures = 0; failures < 3; failures += 1) {
    await away.peer.drop();
    await away.clock.advance(20 * SECOND);
  }
  assert.deepEqual(away.errors, []);
});

test("dispose() deletes the position only with forget, and closes the client for good", async () => {
  const world = new World();
  const { herald } = await world.live(7, { user: "alice", durable: true });
  assert.equal(world.sessionStorage.items.size, 1);
  herald.dispose();
  assert.equal(world.sessionStorage.items.size, 1);
  assert.throws(() => herald.connect(), /disposed of/);
  world.client({ user: "alice", durable: true }).dispose({ forget: true });
  assert.equal(world.sessionStorage.items.size, 0);
  assert.equal(world.localStorage.items.size, 0);
  await world.clock.advance(MINUTE);
  assert.equal(world.peers.length, 1);
  assert.equal(world.clock.pending, 0);
});

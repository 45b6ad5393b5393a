/** Whose position the client uses, and what it does with an unusable position. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { subject } from "../credential.js";
import { E1, SECOND, frame, settle, World } from "./world.js";

const KEY = "herald:wss://herald.example/test:";
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (sub, n = 0) => `${encoded({ alg: "RS256" })}.${encoded({ sub, n })}.c2lnbmF0dXJl`;
const stored = (fields) => JSON.stringify({ epoch: E1, highest: 9, missing: [], ...fields });

const range = (_, n) => ({ from: 2 * n, to: 2 * n, since: 1.5, due: 2.5 });

const MALFORMED = {
  "an epoch of another form": stored({ epoch: "v2:stream-7" }),
  "an offset below 0": stored({ highest: -1 }),
  "a fraction": stored({ highest: 1.5 }),
  "a missing range that starts below 0": stored({ missing: [{ from: -1, to: 2, since: 0 }] }),
  "a missing range without an age": stored({ missing: [{ from: 2, to: 3 }] }),
  "the position of an earlier version": JSON.stringify({ epoch: E1, highest: 9, floor: 0, holes: [], skipped: [] }),
  "an offset that JSON does not allow": `{"epoch":"${E1}","highest":09,"missing":[]}`,
  "a field of a later version, after many ranges": stored({ missing: Array.from({ length: 40 }, range), later: 1 }),
  "another object": '{"epoch":7,"missing":"x"}',
  "no object": "7",
  "no JSON": "{",
};

test("a malformed stored position is dropped, in a tab and in a new tab of a durable client", async () => {
  for (const [name, value] of Object.entries(MALFORMED)) {
    for (const durable of [false, true]) {
      const world = new World();
      (durable ? world.localStorage : world.sessionStorage).setItem(KEY, value);
      const { herald, peer } = await world.live(44, { durable });
      assert.deepEqual(peer.last("hello"), { action: "hello", id: 1 }, name);
      assert.deepEqual([herald.connection.state, world.loads], ["live", ["start"]], name);
      await peer.say(frame(45));
      const kept = durable ? world.localStorage : world.sessionStorage;
      assert.equal(JSON.parse(kept.getItem(KEY)).highest, 45, name);
    }
  }
});

test("a stored position that the server refuses is dropped, and the client goes on without it", async () => {
  const world = new World();
  world.sessionStorage.setItem(KEY, stored({ highest: 41 }));
  const newer = "f".repeat(8) + E1.slice(8);
  world.localStorage.setItem(KEY, stored({ epoch: newer, highest: 99 }));
  const herald = world.client({ durable: true });
  await settle();
  await world.peer.open();
  const { id, resume } = world.peer.last("hello");
  assert.deepEqual(resume, { epoch: E1, offset: 41 });
  await world.peer.say({ type: "error", re: id, code: 4012, name: "bad_frame", message: "resume.epoch: invalid" });
  assert.equal(world.errors[0].code, 4012);
  assert.equal(world.peer.got("hello").length, 2);
  assert.equal(world.peer.last("hello").resume, undefined);
  assert.deepEqual(world.loads, []);
  await world.peer.welcome(44);
  assert.deepEqual([herald.connection.state, world.loads], ["live", ["start"]]);
  for (const storage of [world.sessionStorage, world.localStorage]) {
    const { epoch, highest } = JSON.parse(storage.getItem(KEY));
    assert.deepEqual([epoch, highest], [E1, 44]);
  }
});

test("a position that is refused after a reconnect is dropped, and the state is loaded again", async () => {
  const world = new World();
  const { peer } = await world.live(41);
  await peer.drop();
  const again = await world.reconnected();
  await again.say({ type: "error", re: again.last("hello").id, code: 4012, name: "bad_frame", message: "no" });
  await again.welcome(50);
  assert.deepEqual(world.loads, ["start", "error"]);
  await again.say(frame(51));
  assert.deepEqual(world.ids, ["event-51"]);
});

test("a client whose hello without a position is refused stops for good", async () => {
  const world = new World();
  const herald = world.client();
  await settle();
  await world.peer.open();
  await world.peer.say({ type: "error", re: 1, code: 4012, name: "bad_frame", message: "no" });
  assert.equal(world.peer.got("hello").length, 1);
  assert.deepEqual(herald.connection, { state: "refused", reason: "bad_frame" });
  await world.clock.advance(3 * SECOND);
  assert.deepEqual(world.loads, ["unreachable"], "the page still gets its rows");
  assert.equal(world.clock.pending, 0);
});

test("a stored position that cannot be is refused by the server, and then dropped", async () => {
  const world = new World();
  world.sessionStorage.setItem(KEY, stored({ missing: [{ from: 0, to: 2, since: 0 }] }));
  const herald = world.client();
  await settle();
  await world.peer.open();
  const { id, resume } = world.peer.last("hello");
  assert.equal(resume.offset, -1);
  await world.peer.say({ type: "error", re: id, code: 4012, name: "bad_frame", message: "resume.offset: too small" });
  assert.equal(world.peer.last("hello").resume, undefined);
  await world.peer.welcome(44);
  assert.deepEqual([herald.position, world.loads], [{ epoch: E1, offset: 44 }, ["start"]]);
});

test("without the option `user`, each subject of a token has its own position", async () => {
  const world = new World();
  const tab = async (sub, options = {}) => {
    const herald = world.client({ token: () => jwt(sub), ...options });
    await settle();
    await world.peer.open();
    const { resume } = world.peer.last("hello");
    return { herald, resume, peer: world.peer };
  };
  const alice = await tab("Zoë|用户😀");
  await alice.peer.welcome(0, { stream: { epoch: null, head: 0 } });
  alice.herald.dispose();
  const bob = await tab("bob");
  assert.equal(bob.resume, undefined, "bob's five old events are not new to his page");
  bob.herald.dispose();
  assert.deepEqual((await tab("Zoë|用户😀")).resume, { offset: 0 });
  const carol = await tab("carol");
  await carol.peer.welcome(0, { stream: { epoch: null, head: 0 } });
  carol.herald.dispose();
  assert.deepEqual((await tab("someone", { user: "carol" })).resume, { offset: 0 });
});

test("when the token belongs to another user, the client leaves the first user's connection and position", async () => {
  const world = new World();
  let sub = "alice";
  const { herald, peer } = await world.live(41, { token: () => jwt(sub, world.peers.length) });
  await peer.drop();
  const again = await world.reconnected();
  assert.deepEqual(again.last("hello").resume, { epoch: E1, offset: 41 }, "a fresh token of the same user");
  await again.welcome(41);
  sub = "bob";
  await again.drop();
  const bobs = await world.reconnected();
  assert.equal(bobs.last("hello").resume, undefined);
  await bobs.welcome(7);
  assert.deepEqual(world.loads, ["start", "start"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 7 });
});

test("the subject of a token is read without verification; without one, it is empty", () => {
  assert.equal(subject(jwt("auth0|5f7c8e>?~")), "auth0|5f7c8e>?~");
  for (const token of ["", "a", "a.b.c", "a.!.c", `a.${encoded(null)}.c`, `a.${encoded({})}.c`, "hk_1_secret"]) {
    assert.equal(subject(token), "", token);
  }
});

/** The application's rows and the events are one: what is newer wins, whatever comes first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { close, frame, jwt, progress, result, row, SECOND, settle, World } from "./world.js";

/** A `load` that the test answers. */
function slowly() {
  const calls = [];
  const load = ({ reason, signal }) =>
    new Promise((resolve, reject) => {
      calls.push({
        reason,
        signal,
        give: (rows) => (resolve(rows), settle()),
        fail: (text) => (reject(new Error(text)), settle()),
      });
    });
  return { calls, load };
}

const statuses = (herald) => herald.generations.map(({ id, status }) => `${id} ${status}`);

test("an event that arrives while older rows are on their way is not overwritten by them", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load });
  await peer.say(result("g1", 8));
  assert.deepEqual(world.ids, [], "events are held");
  assert.equal(herald.position.offset, 7, "what is held is not handled");
  await calls[0].give([row("g2", "PENDING", 2), row("g1", "PENDING", 1)]);
  assert.deepEqual(statuses(herald), ["g2 PENDING", "g1 COMPLETE"]);
  assert.deepEqual(world.ids, ["event-8"]);
  assert.equal(herald.position.offset, 8);
  const { prompt, imageUrl, title } = herald.generation("g1");
  assert.deepEqual([prompt, imageUrl, title], ["a prompt", "https://images.example/g1.png", "title of g1"]);
});

test("a row that is newer than an event wins, and so does an event that is as new as the row", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load });
  await peer.say(result("g1", 8, { updatedAt: time(10), imageUrl: "old" }), result("g2", 9, { updatedAt: time(10) }));
  await calls[0].give([
    { ...row("g1", "COMPLETE", 11), imageUrl: "new" },
    { ...row("g2", "COMPLETE", 10), imageUrl: "same" },
    { id: "g3", status: "PENDING" },
  ]);
  assert.equal(herald.generation("g1").imageUrl, "new");
  assert.equal(herald.generation("g2").imageUrl, "https://images.example/g2.png");
  await peer.say(result("g3", 10, { updatedAt: time(1) }));
  assert.equal(herald.generation("g3").status, "COMPLETE", "a row without a time is older than every event");
});

test("rows come first, then held events in order; handlers of `loaded` are called in between", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const on = { loaded: (reason) => world.log.push(`loaded ${reason}`) };
  const { peer } = await world.live(7, { load, on });
  await peer.say(frame(8), progress("g1", 1), frame(9));
  await calls[0].give([]);
  assert.deepEqual(world.log, ["loaded start", "event-8", "progress-g1-1", "event-9"]);
});

test("an application that keeps its rows itself returns nothing, at once or later", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: async () => {} });
  await peer.say(result("g1", 8));
  assert.deepEqual(statuses(herald), ["g1 COMPLETE"]);
});

test("without `load`, events are delivered at once and a gap only reports itself", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: undefined });
  await peer.say(result("g1", 8), { type: "gap", requested: { offset: 8 }, epoch: null, earliest: 1, head: 9, reason: "limit" });
  assert.deepEqual(world.log, ["event-8", "gap"]);
  await world.clock.advance(10 * SECOND);
  assert.deepEqual(statuses(herald), ["g1 COMPLETE"]);
});

test("a load that rejects is reported, releases the events, and is repeated with backoff", async () => {
  const world = new World();
  world.random = 0.999999;
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load });
  await peer.say(result("g1", 8));
  await calls[0].fail("503");
  assert.deepEqual([world.errors[0].name, world.errors[0].message], ["load_failed", "Error: 503"]);
  assert.deepEqual(statuses(herald), ["g1 COMPLETE"], "the page shows the result even though its API is down");
  await world.clock.advance(2 * SECOND);
  await calls[1].fail("503");
  await world.clock.advance(3_900);
  assert.equal(calls.length, 2);
  await world.clock.advance(100);
  await calls[2].give([row("g1", "PENDING", 1), row("g0", "PENDING", 0)]);
  assert.deepEqual(statuses(herald), ["g1 COMPLETE", "g0 PENDING"]);
  assert.deepEqual(calls.map(({ reason }) => reason), ["start", "start", "start"]);
});

test("a load that throws, hangs for 30 seconds or returns no rows is an error that says so", async () => {
  const world = new World();
  const answers = [
    () => {
      throw new Error("a bug");
    },
    () => new Promise(() => {}),
    () => ({ generations: [] }),
    () => [{ id: 7 }],
    () => [],
  ];
  await world.live(7, { load: () => answers.shift()() });
  await world.clock.advance(90 * SECOND);
  assert.deepEqual(
    world.errors.map(({ name, message }) => `${name}: ${message}`),
    [
      "load_failed: Error: a bug",
      "load_failed: Error: no rows within 30 s",
      "load_failed: TypeError: load() must return an array",
      "load_failed: TypeError: row.id must be a string",
    ],
  );
  assert.equal(answers.length, 0);
});

test("if Herald cannot be reached for three seconds, the page loads its rows without it, and again when it can", async () => {
  const world = new World();
  const herald = world.client({ load: ({ reason }) => (world.loads.push(reason), [row("g1", "PENDING", 1)]) });
  await settle();
  await world.peer.drop();
  await world.clock.advance(2_999);
  assert.deepEqual(world.loads, []);
  await world.clock.advance(1);
  assert.deepEqual(world.loads, ["unreachable"]);
  assert.deepEqual(statuses(herald), ["g1 PENDING"]);
  await world.clock.advance(60 * SECOND);
  assert.deepEqual(world.loads, ["unreachable"], "once");
  await world.peer.open();
  await world.peer.welcome(7);
  assert.deepEqual(world.loads, ["unreachable", "start"]);
});

test("a tab that is shown while Herald is down reconnects at once, and does not load its rows again", async () => {
  const world = new World();
  world.client();
  await settle();
  await world.peer.drop();
  await world.clock.advance(3_000);
  await world.peer.drop();
  world.document.dispatchEvent(new Event("visibilitychange"));
  await settle();
  const attempts = world.peers.length;
  await world.peer.drop();
  world.document.dispatchEvent(new Event("visibilitychange"));
  await world.clock.advance(8_000);
  assert.ok(world.peers.length > attempts);
  assert.deepEqual(world.loads, ["unreachable"]);
});

test("a token endpoint that hangs does not keep the page from its rows", async () => {
  const world = new World();
  world.client({ token: () => new Promise(() => {}) });
  await world.clock.advance(3 * SECOND);
  assert.deepEqual(world.loads, ["unreachable"]);
});

test("rows that were loaded without Herald are dropped if Herald answers meanwhile", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const herald = world.client({ load });
  await world.clock.advance(3 * SECOND);
  await world.peer.open();
  await world.peer.welcome(7);
  assert.ok(calls[0].signal.aborted);
  await calls[1].give([row("g1", "COMPLETE", 2)]);
  await calls[0].give([row("g1", "PENDING", 1)]);
  assert.deepEqual(statuses(herald), ["g1 COMPLETE"]);
});

test("a gap starts another load; the one that is running is aborted and its rows are dropped", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load });
  await peer.say({ type: "gap", requested: { offset: 7 }, epoch: null, earliest: 9, head: 9, reason: "expired" });
  assert.deepEqual(calls.map(({ reason }) => reason), ["start", "gap"]);
  assert.ok(calls[0].signal.aborted);
  await calls[0].give([row("stale", "PENDING", 1)]);
  await calls[1].give([row("fresh", "PENDING", 1)]);
  assert.deepEqual(statuses(herald), ["fresh PENDING"]);
  assert.deepEqual(world.errors, []);
});

test("a load that was interrupted by close() is repeated after connect()", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const { herald } = await world.live(7, { load });
  herald.close();
  assert.ok(calls[0].signal.aborted);
  assert.equal(world.clock.pending, 0);
  herald.connect();
  await settle();
  await world.peer.open();
  await world.peer.welcome(7);
  assert.equal(calls.length, 2);
});

test("a later load removes rows that are gone, and keeps what arrived since it began", async () => {
  const world = new World();
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load });
  await calls[0].give([row("deleted", "COMPLETE", 1), row("kept", "COMPLETE", 1)]);
  await peer.say({ type: "gap", requested: { offset: 7 }, epoch: null, earliest: 9, head: 9, reason: "expired" });
  herald.put(row("submitted", "PENDING", 5));
  await peer.say(result("new", 10));
  await calls[1].give([row("kept", "COMPLETE", 1)]);
  assert.deepEqual(statuses(herald), ["new COMPLETE", "submitted PENDING", "kept COMPLETE"]);
});

test("a result supersedes a timeout, and a late timeout does not supersede the result", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => [row("g1", "PENDING", 1)] });
  const timeout = { status: "ERROR", error: { code: "timeout", message: "too late" } };
  await peer.say(result("g1", 8, { ...timeout, updatedAt: time(2) }), result("g1", 9, { updatedAt: time(3) }));
  assert.equal(herald.generation("g1").status, "COMPLETE");
  assert.equal(herald.generation("g1").error, null);
  await peer.say(result("g1", 10, { ...timeout, updatedAt: time(2) }));
  assert.equal(herald.generation("g1").status, "COMPLETE");
});

test("progress is part of a generation until its result, and a notice is no result", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => [row("g1", "PENDING", 1)] });
  await peer.say(progress("g1", 1));
  assert.equal(herald.generation("g1").progress, 0.5);
  const error = { code: "not_recorded", message: "later" };
  const notice = result("g1", null, { status: "ERROR", prompt: null, imageUrl: null, error });
  await peer.say(notice);
  assert.deepEqual([herald.generation("g1").status, herald.generation("g1").error], ["PENDING", error]);
  await peer.say(result("g1", 8));
  const { status, progress: fraction, error: none, prompt } = herald.generation("g1");
  assert.deepEqual([status, fraction, none, prompt], ["COMPLETE", undefined, null, "a prompt"]);
});

test("a shortened prompt does not replace that of the row", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => [{ ...row("g1", "PENDING", 1), prompt: "all of it" }] });
  await peer.say(result("g1", 8, { prompt: "all", truncated: true }));
  assert.equal(herald.generation("g1").prompt, "all of it");
});

test("generations and the list keep their identity until they change", async () => {
  const world = new World();
  const lists = [];
  const on = { generations: (list) => lists.push(list) };
  const { herald, peer } = await world.live(7, { load: () => [row("g1", "PENDING", 1), row("g2", "PENDING", 1)], on });
  const [list, other] = [herald.generations, herald.generation("g2")];
  assert.equal(herald.generations, list);
  await peer.say({ type: "events", items: [result("g1", 8), result("g3", 9)] });
  assert.equal(herald.generation("g2"), other);
  assert.notEqual(herald.generations, list);
  assert.equal(lists.length, 2, "once after the load, and once after the message");
  assert.equal(lists[1], herald.generations);
});

test("without rows, the results of the last thousand generations are kept", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0, { load: undefined });
  for (let n = 1; n <= 1_100; n += 1) peer.socket.onmessage({ data: JSON.stringify(result(`g${n}`, n)) });
  assert.equal(herald.generations.length, 1_000);
  assert.equal(herald.generations[0].id, "g1100");
});

test("another user's token replaces rows, held events and the position", async () => {
  const world = new World();
  const users = ["alice", "bob"];
  const { calls, load } = slowly();
  const { herald, peer } = await world.live(7, { load, token: () => jwt(users.shift()) });
  await calls[0].give([row("hers", "COMPLETE", 1)]);
  await peer.say(close(4200, "now"));
  await world.clock.advance(0);
  assert.deepEqual(statuses(herald), []);
  await world.peer.open();
  assert.equal(world.peer.last("hello").resume, undefined);
  await world.peer.welcome(3);
  await calls[1].give([row("his", "COMPLETE", 1)]);
  assert.deepEqual(statuses(herald), ["his COMPLETE"]);
});

function time(second) {
  return row("", "", second).updatedAt;
}

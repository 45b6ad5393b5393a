/** Handlers: when an event counts as handled, and what happens if a handler fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, frame, MINUTE, result, row, SECOND, settle, World } from "./world.js";

test("an event that a handler fails to handle stays out of the position, is repeated, and says so", async () => {
  const world = new World();
  let broken = true;
  const handled = [];
  const event = ({ id }) => {
    if (broken && id === "event-8") throw new Error("a bug");
    handled.push(id);
  };
  const { herald, peer } = await world.live(7, { on: { event } });
  await peer.say(frame(8), frame(9));
  assert.deepEqual(handled, ["event-9"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 7 });
  assert.equal(world.errors[0].name, "handler_failed");
  assert.match(world.errors[0].message, /"event" failed: Error: a bug \(attempt 1 of 5\)/);
  broken = false;
  await world.clock.advance(2 * SECOND);
  assert.deepEqual(handled, ["event-9", "event-8"]);
  assert.deepEqual(world.ids, ["event-8", "event-9"], "handlers that succeeded are not called again");
  assert.deepEqual(herald.position, { epoch: E1, offset: 9 });
});

test("a promise that a handler returns delays the position, and its rejection counts as a failure", async () => {
  const world = new World();
  const promises = [];
  const event = () => new Promise((resolve, reject) => promises.push({ resolve, reject }));
  const { herald, peer } = await world.live(7, { on: { event } });
  await peer.say(frame(8), frame(9));
  promises[1].resolve();
  await settle();
  assert.equal(herald.position.offset, 7);
  promises[0].reject(new Error("no database"));
  await settle();
  assert.match(world.errors[0].message, /no database/);
  await world.clock.advance(2 * SECOND);
  promises[2].resolve();
  await settle();
  assert.equal(herald.position.offset, 9);
});

test("after five failed attempts the event is given up, and the position passes it", async () => {
  const world = new World();
  let calls = 0;
  const event = () => {
    calls += 1;
    throw new Error("always");
  };
  const { herald, peer } = await world.live(7, { on: { event } });
  await peer.say(frame(8));
  await world.clock.advance(2 * MINUTE);
  assert.equal(calls, 5);
  assert.match(world.errors.at(-1).message, /attempt 5 of 5/);
  assert.equal(world.errors.length, 5);
  assert.equal(herald.position.offset, 8);
});

test("a page that reloads before an event was handled receives it again, and no other", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { on: { event: ({ id }) => id === "event-8" && new Promise(() => {}) } });
  await peer.say(frame(8), frame(9));
  herald.dispose();
  const reloaded = new World();
  reloaded.sessionStorage = world.sessionStorage;
  reloaded.client();
  await settle();
  await reloaded.peer.open();
  assert.deepEqual(reloaded.peer.last("hello").resume, { epoch: E1, offset: 7 });
  await reloaded.peer.welcome(9, { replaying: 2 });
  await reloaded.peer.say({ type: "events", items: [frame(8, { replayed: true }), frame(9, { replayed: true })] });
  await reloaded.peer.caughtUp(9);
  assert.deepEqual(reloaded.ids, ["event-8"]);
});

test("events that are held during a load survive a reload of the page", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => new Promise(() => {}) });
  await peer.say(frame(8));
  assert.equal(herald.position.offset, 7);
  herald.dispose();
  const reloaded = new World();
  reloaded.sessionStorage = world.sessionStorage;
  reloaded.client();
  await settle();
  await reloaded.peer.open();
  assert.deepEqual(reloaded.peer.last("hello").resume, { epoch: E1, offset: 7 });
});

test("a thousand unhandled events at most hold the position back", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0, { on: { event: () => new Promise(() => {}) } });
  for (let n = 1; n <= 1_100; n += 1) peer.socket.onmessage({ data: JSON.stringify(frame(n)) });
  assert.equal(herald.position.offset, 100);
});

test("a failed event waits while the client is closed, and is repeated after connect()", async () => {
  const world = new World();
  let calls = 0;
  const event = () => {
    calls += 1;
    if (calls === 1) throw new Error("once");
  };
  const { herald, peer } = await world.live(7, { on: { event } });
  await peer.say(frame(8));
  herald.close();
  assert.equal(world.clock.pending, 0);
  await world.clock.advance(MINUTE);
  assert.equal(calls, 1);
  herald.connect();
  await world.clock.advance(0);
  assert.equal(calls, 2);
  assert.equal(herald.position.offset, 8);
});

test("a failing handler of anything else is reported and affects nothing else", async () => {
  const world = new World();
  const fail = () => Promise.reject(new Error("a bug"));
  const on = { state: fail, generations: fail, loaded: fail };
  const { peer } = await world.live(7, { on });
  await peer.say(frame(8));
  assert.deepEqual(new Set(world.errors.map(({ message }) => message)), new Set([
    'a handler of "state" failed: Error: a bug',
    'a handler of "generations" failed: Error: a bug',
    'a handler of "loaded" failed: Error: a bug',
  ]));
  assert.deepEqual(world.ids, ["event-8"]);
});

test("without a handler of errors, and if that handler fails itself, errors go to the console", async (t) => {
  const written = [];
  t.mock.method(console, "error", (...words) => written.push(words.join(" ")));
  const world = new World();
  const { herald, peer } = await world.live(7);
  herald.on("error", () => {
    throw new Error("a bug in the handler of errors");
  });
  await peer.say({ type: "error", code: 4013, name: "odd", message: "one" });
  assert.match(written[0], /a bug in the handler of errors/);
  const quiet = world.client({ load: undefined });
  quiet.off("error", () => {}); // a handler that was never added
  assert.equal(written.length, 1);
});

test("on() adds a handler once, off() and the returned function remove it, once() calls it once", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  const calls = [];
  const always = ({ id }) => calls.push(`always ${id}`);
  const next = ({ id }) => calls.push(`next ${id}`);
  const never = () => calls.push("never");
  herald.on("event", always);
  herald.on("event", always);
  herald.once("event", next);
  herald.once("event", never)();
  await peer.say(frame(8), frame(9));
  herald.off("event", always);
  await peer.say(frame(10));
  assert.deepEqual(calls, ["always event-8", "next event-8", "always event-9"]);
  assert.throws(() => herald.on("event", "show"), { message: 'a handler of "event" must be a function' });
});

test("the changes of one message are announced once, even if a handler reads the list in between", async () => {
  const world = new World();
  const lists = [];
  const on = { generations: (list) => lists.push(list) };
  const { herald, peer } = await world.live(7, { on });
  for (const id of ["g1", "g2"]) herald.subscribe(id, () => herald.generations.length);
  lists.length = 0;
  await peer.say({ type: "events", items: [result("g1", 8), result("g2", 9)] });
  assert.deepEqual(lists.map((list) => list.map(({ id }) => id)), [["g2", "g1"]]);
});

test("subscribe() follows one generation from what is known until it is ended", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => [row("g1", "PENDING", 1)] });
  const seen = [];
  const end = herald.subscribe("g1", ({ status }) => seen.push(status));
  await peer.say(result("g2", 8), result("g1", 9));
  end();
  await peer.say(result("g1", 10));
  assert.deepEqual(seen, ["PENDING", "COMPLETE"]);
});

test("waitFor() resolves with the result: at once if it is known, also if it is an error, not with a notice", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7, { load: () => [row("done", "COMPLETE", 1), row("g1", "PENDING", 1)] });
  assert.equal((await herald.waitFor("done")).title, "title of done");
  const waiting = herald.waitFor("g1");
  const error = { code: "moderated", message: "no" };
  await peer.say(result("g1", null, { status: "ERROR", error: { code: "not_recorded", message: "later" } }));
  await peer.say(result("g1", 8, { status: "ERROR", error }));
  const { status, error: reported } = await waiting;
  assert.deepEqual([status, reported], ["ERROR", error]);
});

test("waitFor() leaves no listener, because a signal with a listener is never collected", async (t) => {
  const world = new World();
  const { herald } = await world.live(7, { load: () => [row("done", "COMPLETE", 1)] });
  const { any } = AbortSignal;
  const signals = [];
  t.mock.method(AbortSignal, "any", (each) => signals[signals.push(any.call(AbortSignal, each)) - 1]);
  await herald.waitFor("done");
  assert.deepEqual(signals.map(({ onabort }) => onabort), [null]);
});

test("waitFor() rejects when its signal is aborted, or when the client is disposed of", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  const abort = new AbortController();
  const aborted = herald.waitFor("g1", { signal: abort.signal });
  const disposed = herald.waitFor("g1");
  abort.abort(new Error("the user left"));
  await assert.rejects(aborted, /the user left/);
  await assert.rejects(herald.waitFor("g1", { signal: abort.signal }), /the user left/);
  herald.dispose();
  await assert.rejects(disposed, /disposed of/);
  await assert.rejects(herald.waitFor("g1"), /disposed of/);
  await peer.say(result("g1", 8));
});

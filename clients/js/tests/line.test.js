/** One connection that several tabs share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Line } from "../line.js";
import { close, frame, progress, SECOND } from "./world.js";

/** A shared connection with a scripted socket, and what each tab receives. */
function shared(t, ...tabs) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  const socket = { send: (data) => sent.push(JSON.parse(data)), close: (code) => sent.push({ closed: code }) };
  const received = Object.fromEntries(tabs.map((tab) => [tab, []]));
  const line = new Line(socket, (to, { data, ...news }) => {
    for (const tab of [].concat(to)) received[tab].push(data ? JSON.parse(data) : news);
  });
  tabs.forEach((tab) => line.join(tab));
  socket.onopen();
  for (const tab of tabs) assert.deepEqual(received[tab].splice(0), [{ opened: true }]);
  const say = (...frames) => frames.forEach((each) => socket.onmessage({ data: JSON.stringify(each) }));
  const ask = (tab, action, fields) => line.send(tab, JSON.stringify({ action, ...fields }));
  return { line, socket, sent, received, say, ask };
}

test("each answer goes to the tab that asked, under its own number", (t) => {
  const { sent, received, say, ask } = shared(t, "a", "b");
  ask("a", "ping", { id: 7, offset: 1 });
  ask("b", "ping", { id: 7, offset: 2 });
  assert.deepEqual(sent, [{ action: "ping", id: 1, offset: 1 }, { action: "ping", id: 2, offset: 2 }]);
  say({ type: "pong", re: 2, head: 2 }, { type: "pong", re: 1, head: 2 });
  assert.deepEqual(received, { a: [{ type: "pong", re: 7, head: 2 }], b: [{ type: "pong", re: 7, head: 2 }] });
});

test("live events and frames without a number go to every tab; a keepalive is passed on", (t) => {
  const { sent, received, say, ask } = shared(t, "a", "b");
  say(frame(1), progress("g1", 1), { message: "Internal server error" });
  assert.equal(received.a.length, 3);
  assert.deepEqual(received.a, received.b);
  ask("a", "keepalive");
  assert.deepEqual(sent, [{ action: "keepalive" }]);
});

test("replays are requested one at a time, and only the tab that asked receives the events", (t) => {
  const { sent, received, say, ask } = shared(t, "a", "b");
  const replayed = frame(1, { replayed: true });
  ask("a", "hello", { id: 1, resume: { offset: 0 } });
  ask("b", "history", { id: 5, since: 3, limit: 2 });
  assert.equal(sent.length, 1);
  const welcome = { type: "welcome", re: 1, recovered: true, replaying: 2, lifetime_ms: 9 };
  say(welcome, replayed, { type: "events", items: [frame(2, { replayed: true })] }, frame(9));
  assert.equal(sent.length, 1, "the replay is not complete");
  say({ type: "caught_up", re: 1, offset: 2 });
  assert.deepEqual(received.a.map(({ type, offset, re }) => [type, offset ?? re]), [
    ["welcome", 1],
    ["event", 1],
    ["events", undefined],
    ["event", 9],
    ["caught_up", 2],
  ]);
  assert.deepEqual(received.b.map(({ offset }) => offset), [9]);
  assert.equal(sent[1].action, "history");
  say(frame(4, { replayed: true }), { type: "gap", re: 2 });
  assert.deepEqual(received.b.map(({ type, re }) => [type, re]), [["event", undefined], ["event", undefined], ["gap", 5]]);
  assert.equal(received.a.length, 5);
});

test("a hello without a replay ends with its welcome", (t) => {
  for (const [resume, recovered] of [[undefined, false], [{ offset: 3 }, true]]) {
    const { sent, say, ask } = shared(t, "a", "b");
    ask("a", "hello", { id: 1, resume });
    ask("b", "hello", { id: 1 });
    say({ type: "welcome", re: 1, recovered, replaying: 0, lifetime_ms: 9 });
    assert.equal(sent.length, 2);
    t.mock.timers.reset();
  }
});

test("a replay that is not answered, or whose tab has left, does not keep the others waiting", (t) => {
  const { line, sent, ask } = shared(t, "a", "b", "c");
  for (const tab of ["a", "b", "c"]) ask(tab, "history", { id: 1, since: 0, limit: 1 });
  t.mock.timers.tick(10 * SECOND);
  assert.equal(sent.length, 2);
  line.leave("b");
  assert.equal(sent.length, 3);
});

test("a tab that joins later learns how long the connection still lives", (t) => {
  const { line, received, say, ask } = shared(t, "a", "b");
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  ask("a", "hello", { id: 1 });
  say({ type: "welcome", re: 1, lifetime_ms: 100_000 });
  now += 90_000;
  ask("b", "hello", { id: 1 });
  say({ type: "welcome", re: 2, lifetime_ms: 100_000 });
  assert.ok(Math.abs(received.b[0].lifetime_ms - 10_000) < 1_000);
  assert.ok(line.used > 0.89);
});

test("after a close frame no tab may join; when the socket closes, every tab learns it", (t) => {
  const { line, socket, received, say } = shared(t, "a", "b");
  say(close(4201, "now"));
  assert.ok(line.ended);
  assert.equal(received.b[0].type, "close");
  socket.onclose();
  assert.deepEqual(received.a.at(-1), { closed: true });
});

test("the connection is closed when the last tab has left", (t) => {
  const { line, sent } = shared(t, "a", "b");
  line.leave("a");
  assert.deepEqual(sent, []);
  line.leave("b");
  assert.deepEqual(sent, [{ closed: 1000 }]);
});

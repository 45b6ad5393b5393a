/** Events that arrive out of order, twice, late or never. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, E2, frame, MINUTE, SECOND, settle, World } from "./world.js";

const replay = (...offsets) => ({ type: "events", items: offsets.map((n) => frame(n, { replayed: true })) });

test("events out of order are delivered as they arrive; the cursor is the highest contiguous offset", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(43));
  assert.equal(herald.position.offset, 41);
  await peer.say(frame(45), frame(42));
  assert.equal(herald.position.offset, 43);
  await peer.say(frame(44));
  assert.equal(herald.position.offset, 45);
  assert.deepEqual(world.ids, ["event-43", "event-45", "event-42", "event-44"]);
  await world.clock.advance(MINUTE);
  assert.equal(peer.got("history").length, 0);
});

test("an event is delivered once, however often it arrives and by whichever path", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await peer.say(frame(1), frame(1), frame(2), replay(1, 2), frame(2));
  assert.deepEqual(world.ids, ["event-1", "event-2"]);
});

test("the same event at two offsets is delivered once, and both offsets count as received", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0);
  await peer.say(frame(1, { id: "same" }), frame(2, { id: "same" }));
  assert.deepEqual(world.ids, ["same"]);
  assert.equal(herald.position.offset, 2);
});

test("a hole is requested after two seconds and retried with backoff until it is filled", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(43), frame(44));
  await world.clock.advance(1_999);
  assert.equal(peer.got("history").length, 0);
  await world.clock.advance(1);
  const { id, ...history } = peer.last("history");
  assert.deepEqual(history, { action: "history", since: 41, limit: 1 });
  await peer.caughtUp(44, "history");
  const asked = [world.clock.time];
  while (peer.got("history").length < 7) {
    const before = peer.got("history").length;
    await world.clock.advance(100);
    if (peer.got("history").length === before) continue;
    asked.push(world.clock.time);
    await peer.caughtUp(44, "history");
  }
  const pauses = asked.slice(1).map((time, n) => time - asked[n]);
  assert.deepEqual(pauses, pauses.toSorted((a, b) => a - b));
  assert.ok(pauses[0] >= 2 * SECOND && pauses.at(-1) > 25 * SECOND && pauses.at(-1) <= MINUTE, String(pauses));
  await peer.say(replay(42));
  assert.equal(herald.position.offset, 44);
  await world.clock.advance(5 * MINUTE);
  assert.equal(peer.got("history").length, 7);
  assert.deepEqual(world.gaps, []);
});

test("a history request without a response, or answered with an error, is retried", async () => {
  const world = new World();
  const { peer } = await world.live(41);
  await peer.say(frame(43));
  await world.clock.advance(2 * SECOND);
  await world.clock.advance(25 * SECOND);
  assert.equal(peer.got("history").length, 2);
  const re = peer.last("history").id;
  await peer.say({ type: "error", re, code: 4102, name: "rate_limited", message: "slow", retry_after_ms: 40_000 });
  await world.clock.advance(39_999);
  assert.equal(peer.got("history").length, 2);
  await world.clock.advance(1);
  assert.equal(peer.got("history").length, 3);
});

test("after a refused history request, no hole is requested before retry_after_ms", async () => {
  const world = new World();
  const { peer } = await world.live(41);
  await peer.say(frame(43), frame(45));
  await world.clock.advance(2 * SECOND);
  const re = peer.last("history").id;
  await peer.say({ type: "error", re, code: 4102, name: "rate_limited", message: "slow", retry_after_ms: 40_000 });
  await peer.say(frame(47));
  await world.clock.advance(39_999);
  assert.equal(peer.got("history").length, 1);
  await world.clock.advance(1);
  assert.equal(peer.got("history").length, 2);
});

test("events announced by the welcome but missing from the replay are requested", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(14, { replaying: 3 });
  await again.say(replay(11, 12, 13));
  await again.caughtUp(13);
  await world.clock.advance(2 * SECOND);
  assert.deepEqual([again.last("history").since, again.last("history").limit], [13, 1]);
});

test("a request lost with its connection is repeated on the next one", async () => {
  const world = new World();
  const { peer } = await world.live(41);
  await peer.say(frame(43));
  await world.clock.advance(2 * SECOND);
  assert.equal(peer.got("history").length, 1);
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(43, { replaying: 1 });
  await again.say(replay(43));
  await again.caughtUp(43);
  await world.clock.advance(5 * SECOND);
  assert.equal(again.last("history").since, 41);
});

test("while offline, the only timer is that of the reconnect", async () => {
  const world = new World();
  const { peer } = await world.live(41);
  await peer.say(frame(43));
  await peer.drop();
  assert.equal(world.clock.pending, 1);
});

test("after ten minutes a hole is reported as a gap and skipped; its event is still delivered later", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(43));
  await answering(world, peer, 10 * MINUTE - SECOND);
  assert.deepEqual(world.gaps, []);
  assert.equal(herald.position.offset, 41);
  await answering(world, peer, 2 * SECOND);
  const requested = { epoch: E1, offset: 41 };
  assert.deepEqual(world.gaps, [{ requested, epoch: E1, earliest: 43, head: 43, reason: "missing" }]);
  assert.deepEqual(world.loads, ["start", "gap"]);
  assert.equal(herald.position.offset, 43);
  const asked = peer.got("history").length;
  await answering(world, peer, 5 * MINUTE);
  assert.equal(peer.got("history").length, asked);
  await peer.say(frame(42), frame(42));
  assert.deepEqual(world.ids, ["event-43", "event-42"]);
});

test("each hole has its own age", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(43));
  await answering(world, peer, 5 * MINUTE);
  await peer.say(frame(45));
  await answering(world, peer, 5 * MINUTE + SECOND);
  assert.equal(world.gaps.length, 1);
  assert.equal(herald.position.offset, 43);
  await answering(world, peer, 5 * MINUTE);
  assert.equal(world.gaps.length, 2);
  assert.equal(herald.position.offset, 45);
});

test("a pong with a head above the cursor triggers history requests at once, page by page", async () => {
  const world = new World();
  const { herald, peer } = await world.live(10);
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 250 });
  const pages = [];
  for (let page = 0; page < 3; page += 1) {
    await world.clock.advance(0);
    const { since, limit } = peer.last("history");
    pages.push([since, limit]);
    await peer.say(replay(...Array.from({ length: limit }, (_, n) => since + 1 + n)));
    await peer.caughtUp(since + limit, "history");
  }
  assert.deepEqual(pages, [[10, 100], [110, 100], [210, 40]]);
  assert.equal(herald.position.offset, 250);
  assert.equal(world.ids.length, 240);
});

test("a missing event does not delay the events after it", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0);
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 150 });
  await world.clock.advance(0);
  await peer.say(replay(...Array.from({ length: 99 }, (_, n) => n + 2)));
  await peer.caughtUp(100, "history");
  await world.clock.advance(0);
  assert.deepEqual([peer.last("history").since, peer.last("history").limit], [100, 50]);
  await peer.say(replay(...Array.from({ length: 50 }, (_, n) => n + 101)));
  await peer.caughtUp(150, "history");
  assert.equal(herald.position.offset, 0);
  assert.equal(world.ids.length, 149);
  await peer.say(frame(1));
  assert.equal(herald.position.offset, 150);
});

test("after a response with fewer events than requested, the next request follows at once; an empty response causes no loop", async () => {
  const world = new World();
  const { peer } = await world.live(0);
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 60 });
  await world.clock.advance(0);
  await peer.say(replay(...Array.from({ length: 30 }, (_, n) => n + 1)));
  await peer.caughtUp(30, "history");
  await world.clock.advance(0);
  assert.equal(peer.last("history").since, 30);
  await peer.caughtUp(30, "history");
  await world.clock.advance(SECOND);
  assert.equal(peer.got("history").length, 2);
});

test("a gap is reported with its reason, the state is reloaded, and reading continues from the head", async () => {
  for (const reason of ["expired", "ahead", "limit"]) {
    const world = new World();
    const { herald, peer } = await world.live(41);
    await peer.drop();
    const again = await world.reconnected();
    const head = reason === "ahead" ? 20 : 500;
    await again.welcome(head, { recovered: false });
    assert.equal(herald.connection.state, "catching_up");
    const gap = { requested: { epoch: E1, offset: 41 }, epoch: E1, earliest: 1, head, reason };
    await again.say({ type: "gap", re: again.last("hello").id, ...gap });
    assert.deepEqual(world.gaps, [gap]);
    assert.deepEqual(world.log, ["load start", "gap", "load gap"]);
    assert.equal(herald.connection.state, "live");
    assert.deepEqual(herald.position, { epoch: E1, offset: head });
    await again.say(frame(head + 1, { id: `${reason}-next` }));
    assert.deepEqual(world.ids, [`${reason}-next`]);
    assert.equal(herald.position.offset, head + 1);
    await world.clock.advance(MINUTE);
    assert.equal(again.got("history").length, 0);
  }
});

test("a live event that arrives before the gap frame counts as received", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.drop();
  const again = await world.reconnected();
  await again.say(frame(501));
  await again.welcome(500, { recovered: false });
  const gap = { requested: { epoch: E1, offset: 41 }, epoch: E1, earliest: 301, head: 500, reason: "expired" };
  await again.say({ type: "gap", re: again.last("hello").id, ...gap });
  assert.equal(herald.position.offset, 501);
  await again.say(frame(400));
  assert.deepEqual(world.ids, ["event-501", "event-400"], "an event below the new start is delivered once");
  await again.say(frame(400), frame(501));
  assert.equal(world.ids.length, 2);
});

test("a gap in response to history removes the hole", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(43));
  await world.clock.advance(2 * SECOND);
  const gap = { requested: { epoch: E1, offset: 41 }, epoch: E1, earliest: 43, head: 43, reason: "expired" };
  await peer.say({ type: "gap", re: peer.last("history").id, ...gap });
  assert.equal(world.gaps[0].reason, "expired");
  assert.equal(herald.position.offset, 43);
  await world.clock.advance(5 * MINUTE);
  assert.equal(peer.got("history").length, 1);
});

test("if the epoch changed while the client was offline, the server sends a gap and reading continues in the new epoch", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(3, { recovered: false, stream: { epoch: E2, head: 3 } });
  const gap = { requested: { epoch: E1, offset: 41 }, epoch: E2, earliest: 1, head: 3, reason: "epoch_changed" };
  await again.say({ type: "gap", re: again.last("hello").id, ...gap });
  assert.deepEqual(herald.position, { epoch: E2, offset: 3 });
  assert.deepEqual(world.gaps, [gap]);
});

test("an event of a newer epoch is delivered and triggers a ping; the newer epoch in the pong is reported as a gap", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(3, { epoch: E2, id: "new-3" }));
  assert.deepEqual(world.ids, ["new-3"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 41 });
  const ping = peer.last("ping");
  await peer.say(frame(5, { epoch: E2, id: "new-5" }), { type: "pong", re: ping.id, epoch: E2, head: 4 });
  const requested = { epoch: E1, offset: 41 };
  assert.deepEqual(world.gaps, [{ requested, epoch: E2, earliest: null, head: 4, reason: "epoch_changed" }]);
  assert.deepEqual(herald.position, { epoch: E2, offset: 5 });
  await peer.say(frame(5, { epoch: E2, id: "new-5" }), frame(6, { epoch: E2, id: "new-6" }));
  assert.deepEqual(world.ids, ["new-3", "new-5", "new-6"]);
});

test("neither a late event of an older epoch nor an older pong moves the cursor; the event is delivered once", async () => {
  const world = new World();
  const { herald, peer } = await world.live(5, { welcome: { stream: { epoch: E2, head: 5 } } });
  await peer.say(frame(90), frame(90));
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 90 });
  assert.deepEqual(world.ids, ["event-90"]);
  assert.deepEqual(herald.position, { epoch: E2, offset: 5 });
  assert.deepEqual(world.gaps, []);
});

test("the position in an empty stream is known, so the first event is not lost", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0, { welcome: { stream: { epoch: null, head: 0 } } });
  assert.deepEqual(herald.position, { offset: 0 });
  assert.deepEqual(world.loads, ["start"]);
  await peer.drop();
  const again = await world.reconnected();
  assert.deepEqual(again.last("hello").resume, { offset: 0 });
  await again.welcome(2, { replaying: 2 });
  await again.say(replay(1, 2));
  await again.caughtUp(2);
  assert.deepEqual(world.ids, ["event-1", "event-2"]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 2 });
  assert.deepEqual(world.gaps, []);
});

test("the first event of an empty stream sets its epoch; missing events before it are a hole", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0, { welcome: { stream: { epoch: null, head: 0 } } });
  await peer.say(frame(2));
  assert.deepEqual(herald.position, { epoch: E1, offset: 0 });
  await world.clock.advance(2 * SECOND);
  assert.equal(peer.last("history").since, 0);
  await peer.say(replay(1));
  assert.deepEqual(herald.position, { epoch: E1, offset: 2 });
});

test("a pong reveals the first event of an empty stream; a pong without an epoch changes nothing", async () => {
  const world = new World();
  const { herald, peer } = await world.live(0, { welcome: { stream: { epoch: null, head: 0 } } });
  await world.clock.advance(270 * SECOND);
  assert.deepEqual(peer.last("ping").offset, 0);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: null, head: 0 });
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 1 });
  await world.clock.advance(0);
  assert.deepEqual([peer.last("history").since, peer.last("history").limit], [0, 1]);
  await peer.say(replay(1));
  assert.deepEqual(herald.position, { epoch: E1, offset: 1 });
  await world.clock.advance(270 * SECOND);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: null, head: 0 });
  assert.deepEqual(herald.position, { epoch: E1, offset: 1 });
  assert.deepEqual(world.gaps, []);
});

test("a notice is delivered once however often it is sent, and does not move the cursor", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  await peer.say(frame(null, { id: "notice" }));
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(7);
  await again.say(frame(null, { id: "notice" }));
  assert.deepEqual(world.events, [{ id: "notice", epoch: null, offset: null, replayed: false }]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 7 });
});

test("a notice that comes after its generation's result is dropped, live or replayed", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  const about = (subject, fields) => ({ ...fields, event: { ...fields.event, subject } });
  const notice = (id) => frame(null, { id });
  await peer.say(about("g1", notice("n0")), about("g1", frame(8)), about("g1", notice("n1")), about("g2", notice("n2")));
  await peer.say({ type: "events", items: [about("g3", frame(9)), about("g3", notice("n3"))] });
  await peer.drop();
  const again = await world.reconnected();
  await again.say(about("g1", notice("n4")));
  assert.deepEqual(world.ids, ["n0", "event-8", "n2", "event-9"]);
});

test("a reloaded tab resumes at its own cursor and repeats no event that came early", async () => {
  const world = new World();
  const { herald, peer } = await world.live(41);
  await peer.say(frame(42), frame(44));
  herald.dispose();
  const reloaded = new World();
  reloaded.sessionStorage = world.sessionStorage;
  const again = reloaded.client();
  await settle();
  await reloaded.peer.open();
  assert.deepEqual(reloaded.peer.last("hello").resume, { epoch: E1, offset: 42 });
  await reloaded.peer.welcome(44, { replaying: 2 });
  await reloaded.peer.say(replay(43, 44));
  await reloaded.peer.caughtUp(44);
  assert.deepEqual(reloaded.ids, ["event-43"]);
  assert.deepEqual(reloaded.loads, ["start"]);
  assert.equal(again.position.offset, 44);
});

test("a new tab starts at the head or, if durable, at the furthest position of the user's tabs", async () => {
  const world = new World();
  const { peer } = await world.live(41, { durable: true, user: "alice" });
  await peer.say(frame(42), frame(44));
  const tab = async (options) => {
    const other = new World();
    other.localStorage = world.localStorage;
    other.client(options);
    await settle();
    await other.peer.open();
    return other;
  };
  assert.equal((await tab({ user: "alice" })).peer.last("hello").resume, undefined);
  assert.equal((await tab({ user: "bob", durable: true })).peer.last("hello").resume, undefined);
  const second = await tab({ user: "alice", durable: true });
  assert.deepEqual(second.peer.last("hello").resume, { epoch: E1, offset: 42 });
  await second.peer.welcome(44, { replaying: 2 });
  await second.peer.say(replay(43, 44));
  await second.peer.caughtUp(44);
  assert.deepEqual(second.ids, ["event-43", "event-44"], "it has not seen the event that the first tab received early");
  await peer.say(frame(45));
  const third = await tab({ user: "alice", durable: true });
  assert.deepEqual(third.peer.last("hello").resume, { epoch: E1, offset: 44 });
});

test("broken or full storage affects only a reload", async () => {
  const world = new World();
  world.sessionStorage.getItem = () => '{"epoch":7,"holes":"x"}';
  world.sessionStorage.setItem = () => {
    throw new Error("quota");
  };
  const { herald, peer } = await world.live(1);
  await peer.say(frame(2));
  assert.deepEqual(world.ids, ["event-2"]);
  assert.equal(herald.position.offset, 2);
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

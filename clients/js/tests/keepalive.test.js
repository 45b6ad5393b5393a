/** Keepalives and pings: what is sent while a connection is idle, and how soon a lost event is noticed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, frame, MINUTE, progress, SECOND, World } from "./world.js";

const KEEPALIVE_MS = 8.5 * MINUTE;
const LONGEST_MS = 17 * MINUTE;
const keeping = { welcome: { keepalive_ms: KEEPALIVE_MS, token_ms: null } };

/** Advances the clock in small steps; the server answers pings with `head()`, and history with nothing. */
async function pass(world, peer, ms, { head = () => 10, until = () => false, each = async () => {} } = {}) {
  const end = world.clock.time + ms;
  while (world.clock.time < end && !until()) {
    await world.clock.advance(SECOND);
    await each();
    for (const asked of peer.sent.filter((sent) => !sent.answered && sent.action !== "keepalive")) {
      asked.answered = true;
      asked.at ??= world.clock.time;
      if (asked.action === "ping") await peer.say({ type: "pong", re: asked.id, epoch: E1, head: head() });
      if (asked.action === "history") await peer.say({ type: "caught_up", re: asked.id, offset: asked.since });
    }
    for (const sent of peer.sent) sent.at ??= world.clock.time;
  }
}

/** Browsers run the long timers of a hidden tab only once a minute. */
function hide(world) {
  const { setTimeout } = world.clock;
  world.document.visibilityState = "hidden";
  world.clock.setTimeout = (callback, ms) => {
    if (ms < SECOND) return setTimeout(callback, ms);
    const minute = Math.ceil((world.clock.time + ms) / MINUTE) * MINUTE;
    return setTimeout(callback, minute - world.clock.time);
  };
}

const actions = (peer) => peer.sent.map(({ action }) => action).filter((action) => action !== "hello");

test("in an idle hour, keepalives and pings alternate and are at most 8.5 minutes apart", async () => {
  for (const random of [0, 0.5, 0.999999]) {
    const world = new World();
    world.random = random;
    const { peer } = await world.live(10, keeping);
    await pass(world, peer, 60 * MINUTE);
    assert.deepEqual(actions(peer), ["keepalive", "ping", "keepalive", "ping", "keepalive", "ping", "keepalive"]);
    assert.deepEqual(Object.keys(peer.last("keepalive")), ["action", "at"], "a keepalive has no id: nobody answers it");
    const times = peer.sent.map(({ at }) => at);
    const apart = times.slice(1).map((time, n) => time - times[n]);
    assert.ok(Math.max(...apart) <= KEEPALIVE_MS, String(apart));
    assert.ok(Math.min(...apart) >= 7 * MINUTE, String(apart));
  }
});

test("in a hidden tab, whose timers run once a minute, messages are less than ten minutes apart", async () => {
  const world = new World();
  world.random = 0;
  hide(world);
  const { peer } = await world.live(10, keeping);
  await pass(world, peer, 6 * 60 * MINUTE);
  const times = peer.sent.map(({ at }) => at);
  const apart = times.slice(1).map((time, n) => time - times[n]);
  assert.ok(Math.max(...apart) < 10 * MINUTE, String(apart));
});

test("any message postpones the next keepalive", async () => {
  const world = new World();
  const { peer } = await world.live(10, keeping);
  await world.clock.advance(7 * MINUTE);
  await peer.say(progress("g", 1));
  await world.clock.advance(7 * MINUTE);
  assert.deepEqual(actions(peer), []);
  await peer.say(frame(11));
  await world.clock.advance(7 * MINUTE);
  assert.deepEqual(actions(peer), []);
  await world.clock.advance(2 * MINUTE);
  assert.deepEqual(actions(peer), ["keepalive"]);
});

test("an event of the stream postpones the next ping; progress does not", async () => {
  for (const [said, expected] of [[(n) => frame(n), 0], [(n) => progress("g", n), 1]]) {
    const world = new World();
    const { peer } = await world.live(10, keeping);
    for (let n = 11; n < 28; n += 1) {
      await pass(world, peer, MINUTE);
      await peer.say(said(n));
    }
    assert.deepEqual([peer.got("keepalive").length, peer.got("ping").length], [0, expected]);
  }
});

test("a silently lost event is noticed within 17 minutes, whenever it is lost", async () => {
  const worst = {};
  const kinds = { visible: () => {}, hidden: hide, busy: () => {} };
  for (const [kind, prepare] of Object.entries(kinds)) {
    worst[kind] = 0;
    for (const random of [0, 0.3, 0.999999]) {
      for (let quiet = 0; quiet < 35; quiet += 2.5) {
        const world = new World();
        world.random = random;
        prepare(world);
        const { peer } = await world.live(10, keeping);
        let second = 0;
        const each = async () => {
          second += 1;
          if (kind === "busy" && second % 20 === 0) await peer.say(progress("g", second));
        };
        await pass(world, peer, quiet * MINUTE, { each });
        const lostAt = world.clock.time;
        const noticed = () => peer.got("history").length > 0;
        await pass(world, peer, 20 * MINUTE, { head: () => 11, until: noticed, each });
        assert.ok(noticed(), `${kind}, after ${quiet} quiet minutes`);
        worst[kind] = Math.max(worst[kind], world.clock.time - lostAt);
      }
    }
    assert.ok(worst[kind] <= LONGEST_MS, `${kind}: ${worst[kind] / MINUTE} minutes`);
    assert.ok(worst[kind] > 14 * MINUTE, `${kind}: ${worst[kind] / MINUTE} minutes, so the model of the test is wrong`);
  }
});

test("a silently lost event is noticed at once when the tab is shown or resumed, or the network returns", async () => {
  const wake = {
    visibilitychange: (world) => world.document.dispatchEvent(new Event("visibilitychange")),
    resume: (world) => world.document.dispatchEvent(new Event("resume")),
    online: (world) => world.window.dispatchEvent(new Event("online")),
  };
  for (const [name, act] of Object.entries(wake)) {
    const world = new World();
    const { peer } = await world.live(10, keeping);
    await pass(world, peer, MINUTE);
    await peer.say(progress("g", 1));
    act(world);
    await pass(world, peer, 2 * SECOND, { head: () => 11 });
    assert.deepEqual(actions(peer), ["ping", "history"], name);
  }
});

test("a tab that is shown often does not ping each time", async () => {
  const world = new World();
  const { peer } = await world.live(10, keeping);
  await pass(world, peer, MINUTE);
  for (let n = 0; n < 4; n += 1) {
    world.document.dispatchEvent(new Event("visibilitychange"));
    await pass(world, peer, SECOND);
  }
  assert.equal(peer.got("ping").length, 1);
});

test("after the machine slept, the client pings once, and replaces a dead connection in eleven seconds", async () => {
  const world = new World();
  const { peer } = await world.live(10, keeping);
  await world.clock.advance(MINUTE);
  world.clock.time += 60 * MINUTE; // no timer ran
  await world.clock.advance(SECOND);
  assert.deepEqual(actions(peer), ["ping"]);
  await world.clock.advance(10 * SECOND);
  assert.equal(peer.closed, 1000);
});

test("once its missing events have arrived, the client checks for later ones", async () => {
  const world = new World();
  const { peer } = await world.live(10, keeping);
  await peer.say(frame(12));
  await peer.say(frame(11));
  await world.clock.advance(3 * SECOND);
  assert.deepEqual(actions(peer), [], "events that are only out of order are not missing");
  await peer.say(frame(14));
  await world.clock.advance(2 * SECOND);
  await peer.say(frame(13, { replayed: true }));
  await peer.caughtUp(14, "history");
  assert.deepEqual(actions(peer), ["history", "ping"]);
  await peer.say({ type: "pong", re: peer.last("ping").id, epoch: E1, head: 15 });
  await world.clock.advance(0);
  assert.equal(peer.last("history").since, 14);
});

test("a dead connection that nothing reports is replaced within 18 minutes", async () => {
  for (const random of [0, 0.999999]) {
    const world = new World();
    world.random = random;
    const { peer } = await world.live(10, keeping);
    await world.clock.advance(18 * MINUTE);
    assert.equal(peer.closed, 1000);
    assert.equal(peer.got("ping").length, 2);
  }
});

test("a throttled ping is repeated after ping_ms, not at once", async () => {
  const world = new World();
  const { peer } = await world.live(10, keeping);
  const refused = { message: "Too Many Requests", connectionId: "abc=", requestId: "1" };
  const pings = [];
  for (let second = 0; second < 30 * 60; second += 1) {
    await world.clock.advance(SECOND);
    if (peer.got("ping").length === pings.length) continue;
    pings.push(world.clock.time);
    await world.clock.advance(100);
    await peer.say(refused);
  }
  assert.equal(peer.closed, null);
  assert.ok(pings.length >= 3);
  for (const [n, time] of pings.slice(1).entries()) assert.ok(time - pings[n] >= 270 * SECOND, String(pings));
});

test("without a route for keepalives, the client only pings, at least every ping_ms", async () => {
  const world = new World();
  const { peer } = await world.live(10);
  await pass(world, peer, 60 * MINUTE);
  assert.equal(peer.got("keepalive").length, 0);
  const times = peer.got("ping").map(({ at }) => at);
  assert.equal(times.length, 13);
  times.slice(1).forEach((time, n) => assert.ok(time - times[n] <= 271 * SECOND));
});

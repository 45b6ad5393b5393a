/** Tokens are renewed only if they expire before their connection is replaced. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, MINUTE, SECOND, World } from "./world.js";

/** Lets time pass; the server accepts tokens for `tokenMs` and answers pings. */
async function pass(world, peer, ms, tokenMs) {
  for (let passed = 0; passed < ms; passed += SECOND) {
    await world.clock.advance(SECOND);
    for (const asked of peer.sent.filter(({ answered }) => !answered)) {
      asked.answered = true;
      asked.at = world.clock.time;
      if (asked.action === "auth") await peer.say({ type: "auth_ok", re: asked.id, token_ms: tokenMs });
      if (asked.action === "ping") await peer.say({ type: "pong", re: asked.id, epoch: E1, head: 0 });
    }
  }
}

test("a token that outlives its connection is not renewed", async () => {
  for (const tokenMs of [112 * MINUTE, 24 * 60 * MINUTE]) {
    const world = new World();
    const { peer } = await world.live(0, { welcome: { token_ms: tokenMs } });
    await pass(world, peer, 104.5 * MINUTE, tokenMs);
    assert.equal(world.peers.length, 2, "the connection is replaced");
    await world.peer.open();
    await world.peer.welcome(0, { token_ms: tokenMs });
    await pass(world, world.peer, 30 * MINUTE, tokenMs);
    assert.deepEqual(world.peers.map((each) => each.got("auth").length), [0, 0]);
    assert.equal(world.tokens.length, 2, "the next connection brings its own token");
  }
});

test("a token of an hour is renewed once for each connection, three minutes before it expires", async () => {
  const world = new World();
  const { peer } = await world.live(0, { welcome: { token_ms: 60 * MINUTE } });
  const began = world.clock.time;
  await pass(world, peer, 104 * MINUTE, 60 * MINUTE);
  assert.deepEqual(peer.got("auth").map(({ at }) => at - began), [57 * MINUTE]);
});

test("a short token is renewed after 80 % of its lifetime, as often as the connection needs it", async () => {
  const world = new World();
  const { peer } = await world.live(0, { welcome: { token_ms: 10 * MINUTE } });
  const began = world.clock.time;
  await pass(world, peer, 33 * MINUTE, 10 * MINUTE);
  assert.deepEqual(peer.got("auth").map(({ at }) => Math.round((at - began) / MINUTE)), [8, 16, 24, 32]);
});

test("if the connection cannot be replaced, its token is renewed after all", async () => {
  const world = new World();
  const tokenMs = 115 * MINUTE;
  const { peer } = await world.live(0, { welcome: { token_ms: tokenMs } });
  for (let minute = 0; minute < 114; minute += 1) {
    await pass(world, peer, MINUTE, tokenMs);
    if (world.peers.length > 1) await world.peer.drop(); // every new connection is refused
  }
  assert.equal(peer.closed, null);
  assert.equal(peer.got("auth").length, 1);
});

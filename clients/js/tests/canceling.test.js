/** Cancellations, and results that supersede Herald's own timeout or cancellation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { frame, settle, World } from "./world.js";

const last = (peer) => peer.sent.findLast(({ action }) => action === "cancel");

test("a cancellation resolves to whether it was accepted", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  const accepted = herald.cancel("g1");
  const { id, generation } = last(peer);
  assert.equal(generation, "g1");
  await peer.say({ type: "cancel_ok", re: id, generation });
  assert.equal(await accepted, true);
  const refused = herald.cancel("g2");
  const error = { type: "error", code: 4013, name: "not_cancelable", message: "no", retry_after_ms: 0 };
  await peer.say({ ...error, re: last(peer).id });
  assert.equal(await refused, false);
});

test("a cancellation without a connection or an answer resolves to false", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  const unanswered = herald.cancel("g1");
  await peer.drop();
  await world.clock.advance(30_000);
  assert.equal(await unanswered, false);
  herald.close();
  assert.equal(await herald.cancel("g1"), false);
});

test("a result after a timeout is a further event of its generation", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  const timeout = frame(8);
  const result = frame(9);
  for (const each of [timeout, result]) each.event.subject = "g1";
  await peer.say(timeout, result);
  await settle();
  assert.deepEqual(world.ids, ["event-8", "event-9"]);
});

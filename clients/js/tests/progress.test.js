/** Progress of running generations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { E1, frame, progress, settle, World } from "./world.js";

const result = (subject, offset) => {
  const item = frame(offset);
  return { ...item, event: { ...item.event, subject } };
};

test("progress goes to its own handlers and does not move the cursor", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  const heard = [];
  herald.on("progress", (event) => heard.push(event.data.progress));
  await peer.say(progress("g1", 1), { type: "events", items: [progress("g2", 1), frame(8)] });
  assert.deepEqual(world.progress, ["progress-g1-1", "progress-g2-1"]);
  assert.deepEqual(world.ids, ["event-8"]);
  assert.deepEqual(heard, [0.5, 0.5]);
  assert.deepEqual(herald.position, { epoch: E1, offset: 8 });
});

test("progress that comes after its generation's result is dropped, live or replayed", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  await peer.say(progress("g1", 1), result("g1", 8), progress("g1", 2), progress("g2", 1));
  await peer.say({ type: "events", items: [result("g3", 9), progress("g3", 3)] });
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(9);
  await again.caughtUp(9);
  await again.say({ type: "events", items: [progress("g1", 4, { replayed: true })] });
  assert.deepEqual(world.log.filter((id) => id.startsWith("progress")), ["progress-g1-1", "progress-g2-1"]);
});

test("only progress that is newer than the last one of its generation is passed on", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  await peer.say(progress("g1", 2), progress("g1", 1), progress("g1", 2), progress("g2", 1), progress("g1", 10));
  await peer.drop();
  const again = await world.reconnected();
  await again.welcome(7);
  await again.say({ type: "events", items: [progress("g1", 10, { replayed: true })] });
  assert.deepEqual(world.progress, ["progress-g1-2", "progress-g2-1", "progress-g1-10"]);
});

test("a notice does not end the progress of its generation", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  const notice = frame(null, { id: "notice" });
  await peer.say({ ...notice, event: { ...notice.event, subject: "g1" } }, progress("g1", 1));
  assert.deepEqual(world.log.slice(-2), ["notice", "progress-g1-1"]);
});

test("no event is delivered twice after much progress", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  const notice = frame(null, { id: "notice" });
  await peer.say(notice);
  for (let second = 1; second <= 1_500; second += 1) peer.socket.onmessage({ data: JSON.stringify(progress("g1", second)) });
  await peer.say(notice);
  assert.equal(world.progress.length, 1_500);
  assert.deepEqual(world.ids, ["notice"]);
});

test("a reloaded page that finds a running generation loads its state first", async () => {
  const world = new World();
  const { herald, peer } = await world.live(7);
  await peer.say(progress("g1", 1));
  herald.dispose();
  const reloaded = new World();
  reloaded.client();
  await settle();
  await reloaded.peer.open();
  await reloaded.peer.welcome(7);
  await reloaded.peer.say({ type: "events", items: [progress("g1", 1, { replayed: true })] });
  assert.deepEqual(reloaded.log, ["load start", "progress-g1-1"]);
});

test("progress without a time is dropped", async () => {
  const world = new World();
  const { peer } = await world.live(7);
  const untimed = progress("g1", 1);
  delete untimed.event.time;
  await peer.say(untimed, progress("g2", 1));
  assert.deepEqual(world.progress, ["progress-g2-1"]);
});

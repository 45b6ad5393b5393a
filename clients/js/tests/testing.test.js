/** The fake Herald for tests of applications. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Herald } from "../herald.js";
import { FakeHerald } from "../testing.js";
import { Clock } from "./world.js";

function connected(t, options = {}) {
  const fake = new FakeHerald();
  const clock = new Clock();
  const { platform, ...rest } = fake.options;
  const timers = { setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, now: () => clock.time };
  const herald = new Herald({ ...rest, platform: { ...platform, ...timers }, ...options });
  const errors = [];
  herald.on("error", ({ name }) => errors.push(name));
  herald.connect();
  t.after(() => herald.dispose());
  return { fake, herald, clock, errors };
}

test("results, failures and progress reach the client right after connect()", async (t) => {
  const { fake, herald } = connected(t, { load: () => [{ id: "1" }, { id: "2" }] });
  await fake.progress("1", 0.5, { step: "7/20" });
  assert.deepEqual([herald.generation("1").progress, herald.generation("1").step], [0.5, "7/20"]);
  await fake.complete("1", { imageUrl: "one.png" });
  await fake.fail("2", { code: "moderated" });
  assert.deepEqual(
    herald.generations.map(({ status, imageUrl, error }) => [status, imageUrl, error?.code]),
    [["COMPLETE", "one.png", undefined], ["ERROR", undefined, "moderated"]],
  );
  assert.equal(fake.connections, 1);
});

test("what is lost is replayed after a reconnect", async (t) => {
  const { fake, herald, clock } = connected(t);
  await fake.settled();
  fake.pause();
  await fake.complete("1");
  assert.deepEqual(herald.generations, []);
  fake.resume();
  await fake.drop();
  assert.equal(herald.connection.state, "reconnecting");
  await clock.advance(1_000);
  assert.equal(herald.generation("1").status, "COMPLETE");
  assert.equal(herald.connection.state, "live");
});

test("a lost event in the middle is requested", async (t) => {
  const { fake, herald, clock } = connected(t);
  await fake.settled();
  fake.pause();
  await fake.complete("1");
  fake.resume();
  await fake.complete("2");
  await clock.advance(2_000);
  assert.deepEqual(herald.generations.map(({ id }) => id), ["1", "2"]);
});

test("expired events are a gap, and refused connections say so", async (t) => {
  const loads = [];
  const { fake, herald, clock, errors } = connected(t, { load: ({ reason }) => void loads.push(reason) });
  await fake.settled();
  fake.refusing = true;
  await fake.drop();
  await fake.complete("1");
  fake.expire();
  await clock.advance(10_000);
  assert.deepEqual(errors, ["never_opened"]);
  fake.refusing = false;
  await clock.advance(20_000);
  assert.deepEqual(loads, ["start", "gap"]);
  await fake.refuse();
  assert.deepEqual(herald.connection, { state: "refused", reason: "revoked" });
});

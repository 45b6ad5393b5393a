import assert from "node:assert/strict";
import { test } from "node:test";
import { Herald } from "herald-events";
import { FakeHerald } from "herald-events/testing";

test("a picture that was finished while the connection was lost is shown", async (context) => {
  const fake = new FakeHerald();
  const herald = new Herald({ ...fake.options, load: () => [{ id: "1", status: "PENDING" }] });
  context.after(() => herald.dispose());
  const states = [];
  herald.on("state", (state) => states.push(state));
  herald.connect();

  await fake.progress("1", 0.5, { step: "7/20" });
  assert.equal(herald.generation("1").progress, 0.5);

  fake.pause(); // what is sent now is lost on its way
  await fake.complete("1", { imageUrl: "https://images.example.com/1.png" });
  assert.equal(herald.generation("1").status, "PENDING");

  fake.resume();
  await fake.drop();
  await herald.waitFor("1");
  assert.equal(herald.generation("1").imageUrl, "https://images.example.com/1.png");
  assert.ok(states.includes("reconnecting"));
});

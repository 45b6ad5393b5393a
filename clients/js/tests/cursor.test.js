/** Tests of the cursor alone, in states that are hard to reach through a server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCursor } from "../cursor.js";
import { E1 } from "./world.js";

let time = 0;

function at(head) {
  const cursor = createCursor({ now: () => time });
  cursor.adopt(E1, head);
  return cursor;
}

/** An event arrives, and the application handles it. */
function receive(cursor, offset, now = 0) {
  time = now;
  const arrival = { epoch: E1, offset };
  const place = cursor.receive(arrival);
  cursor.handle(arrival);
  return place;
}

test("in every order of arrival, the cursor is at the highest contiguous offset, and finally at the last offset", () => {
  for (const order of permutations([1, 2, 3, 4, 5])) {
    const cursor = at(0);
    const arrived = new Set();
    for (const offset of order) {
      assert.equal(receive(cursor, offset), arrived.size === 0 || offset > Math.max(...arrived) ? "newest" : "late");
      arrived.add(offset);
      assert.equal(receive(cursor, offset), "duplicate");
      let contiguous = 0;
      while (arrived.has(contiguous + 1)) contiguous += 1;
      assert.equal(cursor.position().offset, contiguous, String(order));
    }
    assert.deepEqual(cursor.requested(), []);
  }
});

test("there are at most a thousand missing ranges; if there are more, the oldest are given up", () => {
  const cursor = at(0);
  for (let offset = 2; offset <= 2_010; offset += 2) receive(cursor, offset, 1_000);
  assert.equal(cursor.requested().length, 1_005);
  assert.deepEqual(cursor.giveUp(0).map(({ requested }) => requested.offset + 1), [1, 3, 5, 7, 9]);
  assert.equal(cursor.position().offset, 10);
});

test("an event of a range that was given up is accepted once", () => {
  const cursor = at(0);
  receive(cursor, 4);
  cursor.giveUp(0);
  assert.equal(cursor.position().offset, 4);
  for (const offset of [2, 1, 3]) {
    assert.equal(receive(cursor, offset), "late");
    assert.equal(receive(cursor, offset), "duplicate");
  }
});

test("a snapshot restores the whole position, with the events that were not handled", () => {
  const cursor = at(3);
  for (const offset of [6, 8]) receive(cursor, offset, 5);
  cursor.receive({ epoch: E1, offset: 9 });
  time = 9;
  const copy = createCursor({ now: () => time });
  copy.restore(JSON.parse(JSON.stringify(cursor.stored())));
  const kept = ({ missing, ...rest }) => ({ ...rest, missing: missing.map(({ from, to, since }) => ({ from, to, since })) });
  assert.deepEqual(kept(copy.stored()), kept(cursor.stored()));
  assert.deepEqual(copy.position(), { epoch: E1, offset: 3 });
  assert.deepEqual([1, 4, 6, 7, 8, 9, 10].map((offset) => receive(copy, offset)),
    ["late", "late", "duplicate", "late", "duplicate", "late", "newest"]);
});

function permutations(items) {
  if (items.length < 2) return [items];
  return items.flatMap((item, n) => permutations(items.toSpliced(n, 1)).map((rest) => [item, ...rest]));
}

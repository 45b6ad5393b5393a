/** Tests of the cursor alone, in states that are hard to reach through a server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cursor } from "../cursor.js";
import { Recent } from "../recent.js";
import { E1 } from "./world.js";

function at(head) {
  const cursor = new Cursor();
  cursor.adopt(E1, head, 0);
  return cursor;
}

test("in every order of arrival, the cursor is at the highest contiguous offset, and finally at the last offset", () => {
  for (const order of permutations([1, 2, 3, 4, 5])) {
    const cursor = at(0);
    const arrived = new Set();
    for (const offset of order) {
      assert.equal(cursor.place(E1, offset), "new");
      cursor.receive(E1, offset, 0);
      arrived.add(offset);
      assert.equal(cursor.place(E1, offset), "duplicate");
      let contiguous = 0;
      while (arrived.has(contiguous + 1)) contiguous += 1;
      assert.equal(cursor.offset, contiguous, String(order));
    }
    assert.deepEqual(cursor.holes, []);
  }
});

test("there are at most a thousand holes; if there are more, the oldest are given up", () => {
  const cursor = at(0);
  for (let offset = 2; offset <= 2_010; offset += 2) cursor.receive(E1, offset, 1_000);
  assert.equal(cursor.holes.length, 1_005);
  assert.deepEqual(cursor.stepOver(0).map(({ from }) => from), [1, 3, 5, 7, 9]);
  assert.equal(cursor.offset, 10);
});

test("an event of a hole that was given up is accepted once", () => {
  const cursor = at(0);
  cursor.receive(E1, 4, 0);
  cursor.stepOver(0);
  assert.equal(cursor.offset, 4);
  for (const offset of [2, 1, 3]) {
    assert.equal(cursor.place(E1, offset), "late");
    cursor.receive(E1, offset, 0);
    assert.equal(cursor.place(E1, offset), "duplicate");
  }
});

test("a snapshot restores the whole position", () => {
  const cursor = at(3);
  for (const offset of [6, 8]) cursor.receive(E1, offset, 5);
  cursor.stepOver(-1);
  const copy = new Cursor();
  copy.restore(JSON.parse(JSON.stringify(cursor.snapshot())), 9);
  assert.deepEqual(copy.snapshot(), cursor.snapshot());
  assert.deepEqual([1, 4, 6, 7, 8, 9].map((offset) => copy.place(E1, offset)),
    ["late", "new", "duplicate", "new", "duplicate", "new"]);
});

test("only the most recent ids are remembered, up to the limit", () => {
  const ids = new Recent(2);
  const known = (id) => {
    const before = ids.get(id);
    ids.set(id, true);
    return before ?? false;
  };
  assert.deepEqual(["a", "b", "a", "c", "b", "a"].map(known), [false, false, true, false, false, false]);
});

function permutations(items) {
  if (items.length < 2) return [items];
  return items.flatMap((item, n) => permutations(items.toSpliced(n, 1)).map((rest) => [item, ...rest]));
}

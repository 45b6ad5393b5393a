"""The stored position: when it is used, dropped and ignored."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herald_client import FileStore
from herald_client.credential import Credential
from herald_client.cursor import Cursor, RecentIds
from herald_client.position import Position
from herald_client.testing import EPOCH, ManualClock, World, event
from tests.unit.clients.python.reader import URL, Reader, answering, asynchronous

if TYPE_CHECKING:
    from pathlib import Path


class Memory:
    """A store in memory."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def read(self) -> str | None:
        return self.text

    def write(self, text: str) -> None:
        self.text = text


def token_of(user: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"sub": user}).encode()).rstrip(b"=").decode()
    return f"header.{payload}.signature"


def stored(**fields: Any) -> str:
    place = {"owner": f"{URL} alice", "epoch": EPOCH, "highest": 9, "floor": 0}
    return json.dumps({**place, "holes": [], "skipped": [], **fields})


def resumed(text: str | None) -> Any:
    """Return the cursor that a client with this stored position sends in hello."""

    async def hello() -> Any:
        async with Reader(user="alice", store=Memory(text)) as reader:
            return (await reader.world.peer()).last("hello").get("resume")

    return asyncio.run(hello())


def test_a_client_resumes_at_its_stored_position() -> None:
    assert resumed(stored()) == {"epoch": EPOCH, "offset": 9}
    assert resumed(stored(holes=[[4, 5, 0.0], [7, 7, 0.0]])) == {"epoch": EPOCH, "offset": 3}
    assert resumed(stored(epoch=None, highest=0)) == {"offset": 0}


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "null", "7", "[]", "{}", "not JSON", "[" * 100_000),
        *(stored(owner=owner) for owner in (f"{URL} bob", "wss://other alice", None)),
        *(stored(epoch=epoch) for epoch in ("E", 7, f"{EPOCH}0")),
        *(stored(highest=highest) for highest in (-1, 1.5, True, "9", None)),
        *(stored(floor=floor) for floor in (-1, "0")),
        *(stored(holes=[hole]) for hole in ([4, 10, 0.0], [5, 4, 0.0], [0, 1, 0.0], [1, 2])),
        stored(holes=[[4, 6, 0.0], [6, 7, 0.0]]),
        stored(holes=[[4, 5, float("nan")]]),
        *(stored(skipped=skipped) for skipped in ([[1]], 7)),
    ],
)
def test_a_missing_foreign_or_malformed_position_is_ignored(text: str | None) -> None:
    assert resumed(text) is None


@asynchronous
async def test_a_position_that_herald_refuses_is_dropped_and_the_state_is_loaded_again() -> None:
    store = Memory(stored())
    async with Reader(user="alice", store=store) as reader:
        peer = await reader.live(9)
        await peer.lose()
        again = await reader.world.peer()
        await again.refuse("hello", 4012, "bad_frame")
        assert store.text == "null"
        assert "resume" not in again.last("hello")
        await again.welcome(12)
        assert reader.log == ["load start", "load error"]
        assert reader.herald.position == {"epoch": EPOCH, "offset": 12}
        assert json.loads(store.text)["highest"] == 12


@asynchronous
async def test_a_hello_that_is_refused_without_a_position_is_final() -> None:
    async with Reader() as reader:
        await (await reader.world.peer()).refuse("hello", 4012, "bad_frame")
        await reader.world.clock.advance(60)
        assert (reader.state(), len(reader.world.peers)) == ("offline", 1)
        assert str(reader.ending) == "Herald closed the connection for good: bad_frame (4012)"


@asynchronous
async def test_a_restarted_client_repeats_no_event_that_came_early() -> None:
    store = Memory()
    async with Reader(store=store) as reader:
        peer = await reader.live(41)
        await peer.say(event(42), event(44))
    async with Reader(store=store) as again:
        peer = await again.world.peer()
        assert peer.last("hello")["resume"] == {"epoch": EPOCH, "offset": 42}
        await peer.welcome(44, replaying=2)
        await peer.say({"type": "events", "items": [event(43), event(44)]})
        await peer.caught_up(44)
        assert again.ids == ["event-43"]


@pytest.mark.parametrize(("jump", "given_up_after"), [(0, 240), (-3_600, 600)])
def test_a_hole_keeps_its_age_unless_the_wall_clock_was_set_back(
    jump: int, given_up_after: int
) -> None:
    async def scenario() -> None:
        store = Memory()
        async with Reader(store=store) as reader:
            peer = await reader.live(41)
            await peer.say(event(43))
            await answering(reader, peer, 300)
        world = World()
        world.clock.now = 5.0  # the machine was restarted
        world.clock.wall = reader.world.clock.time() + 60 + jump - 5.0
        async with Reader(world, store=store) as again:
            peer = await again.live(43, replaying=1)
            await peer.caught_up(43)
            await answering(again, peer, given_up_after - 1)
            assert again.gaps == []
            await answering(again, peer, 2)
            assert [gap.reason for gap in again.gaps] == ["missing"]

    asyncio.run(scenario())


@asynchronous
async def test_a_full_disk_is_reported_and_affects_only_a_restart() -> None:
    class Full(Memory):
        def write(self, text: str) -> None:
            raise OSError("No space left on device")

    async with Reader(store=Full()) as reader:
        peer = await reader.live(1)
        await peer.say(event(2))
        assert reader.ids == ["event-2"]
        names = [problem.name for problem in reader.problems]
        assert names == ["position_not_stored"], "it is not reported for each event"


@asynchronous
async def test_when_the_token_is_of_another_user_their_position_and_connection_are_used() -> None:
    users = ["alice", "alice", "bob"]
    async with Reader(token=lambda: token_of(users.pop(0)), store=Memory(stored())) as reader:
        peer = await reader.live(9, token_ms=None)
        await peer.lose()
        again = await reader.world.peer()
        assert again.last("hello")["resume"] == {"epoch": EPOCH, "offset": 9}
        await again.welcome(9, token_ms=None)
        await answering(reader, again, 104.5 * 60)
        assert again.is_closed()
        last = await reader.world.peer()
        assert "resume" not in last.last("hello")
        await last.welcome(3)
        assert reader.log == ["load start", "load start"]


def test_the_user_of_a_credential_is_its_subject_or_the_id_of_the_key() -> None:
    tokens = Credential(lambda: "", None)
    assert tokens.user(token_of("alice")) == "alice"
    for text in ("", "a.b", "a.!!.c", "a.bnVsbA.c", "a.eyJzdWIiOjd9.c"):
        assert tokens.user(text) == ""
    assert Credential(None, "k").user("hk_12_secret") == "hk_12"


def test_a_file_keeps_the_position_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    store = FileStore(path)
    assert store.read() is None
    store.write("one")
    store.write("two")
    assert store.read() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "position.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        FileStore(tmp_path / "position.json").write("text")
    assert [path.name for path in tmp_path.iterdir()] == ["position.json"]


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8), max_size=4), st.integers(0, 8))
def test_in_every_order_a_stored_position_lacks_exactly_what_was_not_handled(
    offsets: list[int], again: list[int], handled: int
) -> None:
    cursor, clock = Cursor(), ManualClock()
    cursor.adopt(EPOCH, 0, 0)
    for offset in [*offsets[:6], *again]:
        cursor.receive(EPOCH, offset, 0)
    received = {*offsets[:6], *again}
    unhandled = received - set(offsets[:handled])
    memory = Memory()
    position = Position(memory, clock)
    position.read("owner")
    position.write(cursor.snapshot(0, unhandled))
    snapshot = position.read("owner")
    assert snapshot is not None
    found = Cursor()
    found.restore(snapshot, clock.now)
    missing = {n for n in range(1, 9) if found.place(EPOCH, n) == "new"}
    assert missing == set(range(1, 9)) - (received - unhandled)
    assert found.offset == min(missing, default=9) - 1


def test_only_a_thousand_holes_and_ids_are_remembered() -> None:
    cursor = Cursor()
    cursor.adopt(EPOCH, 0, 0)
    for offset in range(2, 2_010, 2):
        cursor.receive(EPOCH, offset, 0)
    assert [*map(tuple, cursor.step_over(-1))] == [(1, 1), (3, 3), (5, 5), (7, 7)]
    assert cursor.place(EPOCH, 7) == "late"
    ids = RecentIds(2)
    assert [ids.add(name) for name in ("a", "b", "a", "c", "a")] == [True, True, False, True, True]

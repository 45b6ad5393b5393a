"""The recording client follows protocol.md. The checker relies on this."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from tests.faults.background import Background, eventually
from tests.faults.clients import Client, Cursor
from tests.faults.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD, NEW = "0190b0e0-0000-7000-8000-000000000000", "0190b0e1-0000-7000-8000-000000000000"


@given(st.permutations(range(1, 8)), st.lists(st.integers(1, 7), max_size=5))
def test_the_cursor_ends_at_the_head_for_any_order_and_any_duplicates(
    offsets: list[int], again: list[int]
) -> None:
    cursor = Cursor()
    for offset in [*offsets, *again]:
        cursor.receive(OLD, offset)
    assert (cursor.offset, cursor.above, cursor.complete) == (7, set(), True)


def test_the_cursor_stops_at_a_hole_and_knows_its_size() -> None:
    cursor = Cursor()
    for offset in (1, 2, 5):
        cursor.receive(OLD, offset)
    assert (cursor.resume(), cursor.first_hole, cursor.complete) == (
        {"epoch": OLD, "offset": 2}, 2, False,
    )  # fmt: skip
    cursor.receive(OLD, 3)
    cursor.learn(OLD, 9)
    assert (cursor.offset, cursor.first_hole) == (3, 1)
    cursor.receive(OLD, 4)
    assert (cursor.offset, cursor.first_hole) == (5, 4)


def test_after_a_gap_the_cursor_continues_from_the_head() -> None:
    cursor = Cursor()
    for offset in (1, 12):
        cursor.receive(OLD, offset)
    cursor.jump(OLD, 10)
    assert (cursor.offset, cursor.above, cursor.head) == (10, {12}, 12)
    cursor.jump(NEW, 3)
    assert (cursor.resume(), cursor.above, cursor.complete) == (
        {"epoch": NEW, "offset": 3}, set(), True,
    )  # fmt: skip


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as running:
        yield running


def event(number: int, offset: int | None, epoch: str | None = OLD) -> dict[str, Any]:
    data = {"status": "COMPLETE" if offset else "ERROR"}
    inner = {"id": f"event-{number}", "subject": f"g{number}", "userid": "alice", "data": data}
    return {"type": "event", "epoch": epoch, "offset": offset, "event": inner}


class Script:
    """A server that sends scripted answers to hello and history and records what it receives."""

    def __init__(self, *hellos: list[dict[str, Any]], history: list[dict[str, Any]]) -> None:
        self._hellos = itertools.chain(hellos, itertools.repeat([]))
        self._history = history
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, socket: ServerConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            self.asked.append(frame)
            match frame["action"]:
                case "hello":
                    answer = next(self._hellos)
                case "history":
                    answer = self._history
                case _:
                    answer = []
            for each in answer:
                if each["type"] == "hang up":
                    socket.transport.abort()
                    return
                await socket.send(json.dumps({"re": frame["id"], **each}))


def play(background: Background, script: Script, until: Any) -> tuple[Client, History]:
    """Run a client against the script until `until(client)` is true."""
    history = History()

    async def start() -> tuple[Any, Client]:
        server = await serve(script, "127.0.0.1", 0, subprotocols=["herald.v1"])  # type: ignore[list-item]
        port = server.sockets[0].getsockname()[1]
        client = Client("alice/1", "alice", f"ws://127.0.0.1:{port}", lambda: "token", history)
        client.start()
        return server, client

    server, client = background.run(start())
    try:
        eventually(lambda: until(client), "the end of the script")
    finally:
        background.run(client.stop())
        background.call(server.close)
    return client, history


def welcome(head: int, epoch: str | None = OLD) -> dict[str, Any]:
    return {"type": "welcome", "stream": {"epoch": epoch, "head": head}}


def test_each_event_is_handled_once_and_every_frame_is_recorded(background: Background) -> None:
    replay = {"type": "events", "items": [event(1, 1), event(2, 2)]}
    script = Script(
        [welcome(2), replay, event(2, 2), event(0, None, None), event(0, None, None)], history=[]
    )
    client, history = play(background, script, lambda client: len(client.frames) == 6)
    assert client.results() == ["g1", "g2"]
    assert [frame["event"]["subject"] for frame in client.handled] == ["g1", "g2", "g0"]
    assert (len(list(history.of("received"))), len(list(history.of("handled")))) == (5, 3)


def test_it_resumes_from_its_cursor_after_a_lost_connection(background: Background) -> None:
    script = Script(
        [welcome(0, None), event(1, 1), {"type": "hang up"}], [welcome(2), event(2, 2)], history=[]
    )
    client, _ = play(background, script, lambda client: len(client.handled) == 2)
    assert client.connections == 2
    hellos = [frame["resume"] for frame in script.asked if frame["action"] == "hello"]
    assert hellos == [{"offset": 0}, {"epoch": OLD, "offset": 1}]


def test_it_requests_missing_events(background: Background) -> None:
    script = Script([welcome(0, None), event(3, 3)], history=[event(1, 1), event(2, 2)])
    client, _ = play(background, script, lambda client: len(client.handled) == 3)
    asked = [frame for frame in script.asked if frame["action"] == "history"]
    assert [(frame["since"], frame["limit"]) for frame in asked] == [(0, 2)]
    assert client.results() == ["g3", "g1", "g2"]


def test_it_records_gaps_and_new_epochs(background: Background) -> None:
    gap = {"type": "gap", "epoch": OLD, "head": 9, "reason": "limit"}
    pong = {"type": "pong", "epoch": NEW, "head": 4}
    script = Script([welcome(9), gap, pong], history=[])
    client, history = play(background, script, lambda client: client.cursor.epoch == NEW)
    gaps = [(op.data["after"], op.data["head"], op.data["reason"]) for op in history.of("gap")]
    assert gaps == [(0, 9, "limit"), (0, 4, "epoch_changed")]
    assert client.cursor.resume() == {"epoch": NEW, "offset": 4}


def test_a_refused_hello_is_retried(background: Background) -> None:
    refused = {"type": "error", "code": 4100, "name": "overloaded"}
    script = Script([refused], [welcome(1), event(1, 1)], history=[])
    client, _ = play(background, script, lambda client: client.handled)
    assert client.connections == 2

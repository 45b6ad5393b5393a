"""The Python client of docs/protocol.md, run against a scripted server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.server import serve

from chalicelib.protocol import client_frames, server_frames
from chalicelib.protocol.events import PROGRESS, TYPES

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

    from chalicelib.protocol.frame_types import Requested

pytestmark = pytest.mark.integration

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
OLD, NEW = "019bac11-b400-7a31-8c04-5d1f9b2e7a66", "019cae29-6e50-7a31-8c04-5d1f9b2e7a66"


def _numbered(epoch: str, offset: int, *, replayed: bool = False) -> str:
    event = {"id": str(offset), "subject": f"generation-{offset}", "type": TYPES["COMPLETE"]}
    return server_frames.event(json.dumps(event), epoch, offset, replayed=replayed)


def _notice(name: str, generation: int) -> str:
    event = {"id": name, "subject": f"generation-{generation}", "type": TYPES["ERROR"]}
    return server_frames.event(json.dumps(event), None, None, replayed=False)


def _progress(generation: int, second: int) -> str:
    subject, time = f"generation-{generation}", f"2026-03-02T09:15:{second:02d}.000Z"
    event = {"id": f"{generation}/{second}", "subject": subject, "type": PROGRESS, "time": time}
    return server_frames.event(json.dumps(event), None, None, replayed=False)


def _hello(epoch: str, head: int, *, recovered: bool) -> str:
    place = {"connection": "c", "time": "t", "epoch": epoch, "head": head}
    return server_frames.welcome(1, **place, recovered=recovered, replaying=0, token_ms=None)  # type: ignore[arg-type]


LOST = [_numbered(OLD, 3, replayed=True), _numbered(OLD, 4, replayed=True)]
REQUESTED: Requested = {"epoch": OLD, "offset": 4}
CHANGED = server_frames.gap(
    1, requested=REQUESTED, epoch=NEW, earliest=1, head=7, reason="epoch_changed"
)
FORBIDDEN = server_frames.close(server_frames.FORBIDDEN)
RATE_LIMITED = server_frames.Code(4102, "rate_limited", "backoff")

Cursor = Mapping[str, object] | None
Script = list[tuple[Cursor, list[str]]]  # each hello's cursor, and the frames that answer it


class Clock:
    """Replaces `time`: sleeping takes no time and is recorded."""

    def __init__(self, *, step: float = 0.0) -> None:
        self.slept: list[float] = []
        self._ticks = count(1000.0, step)

    def monotonic(self) -> float:
        return next(self._ticks)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Followed:
    """Runs the client against a scripted server, and records what it did on each connection."""

    def __init__(self, script: Script, *, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.cursors: list[Cursor] = []
        self.authorizations: list[str] = []
        self.seen: list[str] = []
        self._script = script
        with serve(self._serve_one, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                self.ending = self._follow(server.socket.getsockname()[1])
            finally:
                server.shutdown()
                thread.join()

    def _follow(self, port: int) -> str:
        names: dict[str, Any] = {}
        (source,) = re.findall(r"(?ms)^```python\n(.*?)^```", PROTOCOL.read_text())
        exec(compile(source, "docs/protocol.md", "exec"), names)  # noqa: S102 - our own document
        names["random"] = type("Impatient", (), {"uniform": staticmethod(lambda low, high: 0)})
        names["time"] = self.clock
        tokens = (f"t{number}\n" for number, _ in enumerate(self._script, 1))  # no more connections
        return str(
            names["follow"](
                f"ws://127.0.0.1:{port}",
                lambda: next(tokens),
                lambda: self.seen.append("load"),
                lambda event: self.seen.append(event["id"]),
                lambda event: self.seen.append(f"progress {event['id']}"),
            )
        )

    def _serve_one(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.authorizations.append(socket.request.headers["Authorization"])
        hello = str(socket.recv())
        client_frames.parse(hello)
        self.cursors.append(json.loads(hello)["resume"])
        for frame in self._script[len(self.cursors) - 1][1]:
            socket.send(frame)


def test_the_python_client_loses_and_repeats_nothing() -> None:
    script: Script = [
        (
            None,
            [
                _numbered(OLD, 2),  # live, before welcome
                _hello(OLD, 1, recovered=False),
                _numbered(OLD, 2),
                _numbered(OLD, 4),
                '{"message": "Internal server error", "connectionId": "c"}',  # API Gateway's own
            ],
        ),
        (
            {"epoch": OLD, "offset": 2},
            [
                _hello(OLD, 4, recovered=True),
                *server_frames.events(LOST),
                server_frames.caught_up(1, 4),
                server_frames.close(server_frames.TOKEN_EXPIRED),
            ],
        ),
        (REQUESTED, [_hello(NEW, 7, recovered=False), CHANGED, _numbered(NEW, 8), FORBIDDEN]),
    ]

    run = Followed(script)

    assert run.ending == "forbidden"
    assert run.cursors == [cursor for cursor, _ in script]
    assert run.authorizations == ["Bearer t1", "Bearer t2", "Bearer t3"]  # without line breaks
    assert run.seen == ["2", "load", "4", "3", "load", "8"]


def test_the_python_client_loads_again_when_an_event_could_not_be_stored() -> None:
    not_stored = server_frames.error(None, server_frames.OVERLOADED, "not stored")
    answer = server_frames.error(2, server_frames.OVERLOADED, "a ping's")
    frames = [_hello(OLD, 4, recovered=False), not_stored, answer, FORBIDDEN]

    assert Followed([(None, frames)]).seen == ["load", "load"]


def test_the_python_client_drops_a_notice_that_comes_after_its_result() -> None:
    frames = [
        _hello(OLD, 0, recovered=False),
        _notice("early", 1),
        _numbered(OLD, 1),
        _notice("late", 1),
        _notice("other", 2),
        FORBIDDEN,
    ]

    assert Followed([(None, frames)]).seen == ["load", "early", "1", "other"]


def test_the_python_client_passes_on_only_the_newest_progress_of_running_generations() -> None:
    frames = [_hello(OLD, 0, recovered=False), _progress(1, 2), _progress(1, 1), _progress(2, 1)]
    again = [_progress(1, 2), _numbered(OLD, 1), _progress(1, 3), _progress(2, 2), FORBIDDEN]

    seen = Followed([(None, [*frames, *again])]).seen

    assert seen == ["load", "progress 1/2", "progress 2/1", "1", "progress 2/2"]


def test_the_python_client_drops_a_refused_cursor_and_ends_when_it_is_refused_without_one() -> None:
    refused = server_frames.error(1, server_frames.BAD_FRAME, "resume.epoch: invalid")
    script: Script = [
        (None, [_hello(OLD, 4, recovered=False), _numbered(OLD, 6)]),
        ({"epoch": OLD, "offset": 4}, [refused]),
        (None, [_hello(OLD, 9, recovered=False), _numbered(OLD, 10)]),
        ({"epoch": OLD, "offset": 10}, [refused]),
        (None, [refused]),
    ]

    run = Followed(script)

    assert run.ending == "bad_frame"
    assert run.cursors == [cursor for cursor, _ in script]
    assert run.seen == ["load", "6", "load", "10"]


def test_the_python_client_waits_as_long_as_a_refusal_says() -> None:
    refused = server_frames.error(1, RATE_LIMITED, "slow", retry_after_ms=40_000)
    run = Followed([(None, [refused]), (None, [_hello(OLD, 4, recovered=False), FORBIDDEN])])

    assert run.clock.slept[0] == 40


def test_the_python_client_gives_up_a_missing_event_after_ten_minutes() -> None:
    events = [_numbered(OLD, number) for number in (2, 3, 4, 5)]
    frames = [_hello(OLD, 0, recovered=False), *events, _numbered(OLD, 1), FORBIDDEN]

    # Each call of monotonic() adds 250 seconds. The wait starts at event 2 and ends at event 5.
    run = Followed([(None, frames)], clock=Clock(step=250))

    assert run.seen == ["load", "2", "3", "4", "5", "load", "1"]

"""The Python client of docs/protocol.md, run against a scripted server."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.server import serve

from chalicelib.protocol import client_frames, server_frames

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

pytestmark = pytest.mark.integration

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
OLD, NEW = "019bac11-b400-7a31-8c04-5d1f9b2e7a66", "019cae29-6e50-7a31-8c04-5d1f9b2e7a66"


def _numbered(epoch: str, offset: int, *, replayed: bool = False) -> str:
    return server_frames.event(f'{{"id":"{offset}"}}', epoch, offset, replayed=replayed)


def _hello(epoch: str, head: int, *, recovered: bool) -> str:
    place = {"connection": "c", "time": "t", "epoch": epoch, "head": head}
    return server_frames.welcome(1, **place, recovered=recovered, replaying=0, token_ms=None)  # type: ignore[arg-type]


LOST = [_numbered(OLD, 3, replayed=True), _numbered(OLD, 4, replayed=True)]
REQUESTED = {"epoch": OLD, "offset": 4}
SCRIPT = [  # for each connection: the cursor expected in its hello, and the frames it is sent
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
    (
        REQUESTED,
        [
            _hello(NEW, 7, recovered=False),
            server_frames.gap(
                1, requested=REQUESTED, epoch=NEW, earliest=1, head=7, reason="epoch_changed"
            ),
            _numbered(NEW, 8),
            server_frames.close(server_frames.FORBIDDEN),
        ],
    ),
]


def test_the_python_client_loses_and_repeats_nothing() -> None:
    names: dict[str, Any] = {}
    (source,) = re.findall(r"(?ms)^```python\n(.*?)^```", PROTOCOL.read_text())
    exec(compile(source, "docs/protocol.md", "exec"), names)  # noqa: S102 - our own document
    names["random"] = type("Impatient", (), {"uniform": staticmethod(lambda low, high: 0)})
    cursors: list[object] = []
    tokens: list[str | None] = []
    seen: list[object] = []

    def serve_one(socket: ServerConnection) -> None:
        assert socket.request is not None
        tokens.append(socket.request.headers["Authorization"])
        hello = str(socket.recv())
        client_frames.parse(hello)
        cursors.append(json.loads(hello)["resume"])
        for frame in SCRIPT[len(cursors) - 1][1]:
            socket.send(frame)

    with serve(serve_one, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        fresh = iter(("one", "two", "three"))
        ending = names["follow"](
            url,
            lambda: next(fresh),
            lambda: seen.append("load"),
            lambda event: seen.append(event["id"]),
        )
        server.shutdown()
        thread.join()

    assert ending == "forbidden"
    assert cursors == [cursor for cursor, _ in SCRIPT]
    assert tokens == ["Bearer one", "Bearer two", "Bearer three"]
    assert seen == ["2", "load", "4", "3", "load", "8"]

"""A scripted Herald on a real WebSocket."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from chalicelib.protocol import client_frames, server_frames
from herald_client.platform import SystemClock, Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection

EPOCH = "019bac11-b400-7a31-8c04-5d1f9b2e7a66"
REVOKED = server_frames.close(server_frames.REVOKED)


class HastyClock(SystemClock):
    """A clock whose timers run fifty times faster, so that reconnects take no time."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return super().call_later(delay / 50, callback)


def welcome(head: int, *, recovered: bool = False) -> str:
    """Return Herald's own welcome to the hello with the id 1."""
    place = {"connection": "c", "time": "t", "epoch": EPOCH, "head": head}
    return server_frames.welcome(1, **place, recovered=recovered, replaying=0, token_ms=None)  # type: ignore[arg-type]


def result(offset: int) -> str:
    """Return Herald's own frame of a result."""
    data = {"status": "COMPLETE", "imageUrl": f"https://images.example.com/{offset}.png"}
    event = {"id": f"event-{offset}", "type": "herald.generation.complete", "data": data}
    event |= {"subject": f"generation-{offset}", "time": "2026-03-02T09:15:03.481Z"}
    return server_frames.event(json.dumps(event), EPOCH, offset, replayed=False)


class Scripted:
    """Answers the hello of each connection with the next script, and then closes it.

    A script is a list of texts, or the HTTP status that refuses the connection. After the last
    script, connections stay open and silent.
    """

    def __init__(self, *scripts: list[str] | int) -> None:
        self.requests: list[Request] = []
        self.hellos: list[Any] = []
        self._scripts = list(scripts)
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._open)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()

    def _open(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self._scripts or not isinstance(self._scripts[0], int):
            return None
        response = connection.respond(HTTPStatus(self._scripts.pop(0)), "refused")  # type: ignore[arg-type]
        response.headers["Location"] = f"{self.url}/elsewhere"
        return response

    def _talk(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            text = str(connection.recv())
            client_frames.parse(text)
            self.hellos.append(json.loads(text).get("resume"))
            if not self._scripts:
                connection.recv()
            for frame in self._scripts.pop(0):  # type: ignore[union-attr]
                connection.send(frame)

"""Serves ASGI applications on free local ports, in threads."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp


def listener() -> socket.socket:
    """Listen on a free port of 127.0.0.1, so that the address is known before the server runs."""
    return socket.create_server(("127.0.0.1", 0))


def port(listening: socket.socket) -> int:
    """The port of a listener."""
    number: int = listening.getsockname()[1]
    return number


@contextmanager
def serving(app: ASGIApp, listening: socket.socket) -> Iterator[None]:
    """Serve until the block ends."""
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive(), "the server did not stop"

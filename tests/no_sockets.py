"""Forbids sockets in unit tests, so that no thread or library can use the network."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import psycopg2
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE = "unit tests open no sockets: move this test to tests/integration"


class SocketRefused(OSError):
    """A socket was used in a unit test. This is an OSError, so that libraries clean up after it."""


@contextmanager
def sockets_refused() -> Iterator[None]:
    """Make every bind, listen and connect fail.

    The block itself also fails, even if the code under test has handled or replaced the error.
    """
    attempts: list[str] = []

    def refuse(name: str) -> Any:
        def refused(*arguments: object, **options: object) -> NoReturn:
            attempts.append(name)
            raise SocketRefused(f"{MESSAGE} ({name})")

        return refused

    with pytest.MonkeyPatch.context() as patch:
        for name in ("bind", "listen", "connect", "connect_ex", "sendto", "sendmsg"):
            patch.setattr(socket.socket, name, refuse(f"socket.{name}"))
        # libpq opens its sockets without Python
        patch.setattr(psycopg2, "_connect", refuse("psycopg2.connect"))
        try:
            yield
        except BaseException as exc:
            if attempts:
                raise SocketRefused(f"{MESSAGE} ({attempts[0]})") from exc
            raise
    if attempts:
        raise SocketRefused(f"{MESSAGE} ({attempts[0]})")

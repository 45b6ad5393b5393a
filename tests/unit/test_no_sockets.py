"""The socket guard of the unit tests makes every test fail that opens a socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.no_sockets import MESSAGE, SocketRefused, sockets_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
NOWHERE = ("127.0.0.1", 9)
OPENED: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _sockets_are_closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def unconnected(kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    OPENED.append(socket.socket(type=kind))
    return OPENED[-1]


async def _open_connection() -> None:
    await asyncio.open_connection(*NOWHERE)


async def _start_server() -> None:
    await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("name", "attempt"),
    [
        ("socket.bind", lambda: socket.create_server(("127.0.0.1", 0))),
        ("socket.listen", lambda: unconnected().listen()),
        ("socket.connect", lambda: socket.create_connection(NOWHERE)),
        ("socket.connect_ex", lambda: unconnected().connect_ex(NOWHERE)),
        ("socket.sendto", lambda: unconnected(socket.SOCK_DGRAM).sendto(b"", NOWHERE)),
        ("socket.connect", lambda: asyncio.run(_open_connection())),
        ("socket.bind", lambda: asyncio.run(_start_server())),
        ("psycopg2.connect", lambda: psycopg2.connect("postgresql://127.0.0.1:9/none")),
    ],
)
def test_every_way_to_use_a_socket_is_refused(name: str, attempt: Callable[[], object]) -> None:
    with pytest.raises(SocketRefused, match=rf"^{MESSAGE} \({name}\)$"), sockets_refused():
        attempt()


def test_a_refusal_that_was_handled_still_fails() -> None:
    with (
        pytest.raises(SocketRefused, match=MESSAGE),
        sockets_refused(),
        contextlib.suppress(OSError),
    ):
        socket.create_server(("127.0.0.1", 0))


def test_a_refusal_that_became_another_error_still_says_what_to_do() -> None:
    def connect() -> None:
        try:
            socket.create_connection(NOWHERE)
        except OSError as exc:
            raise LookupError("no server") from exc

    with pytest.raises(SocketRefused, match=MESSAGE), sockets_refused():
        connect()


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(LookupError, match=r"^other$"), sockets_refused():
        raise LookupError("other")


def test_sockets_work_again_after_the_block() -> None:
    before = socket.socket.connect
    with sockets_refused():
        assert socket.socket.connect is not before
    assert socket.socket.connect is before


PLANTED = """
import socket
import pytest

@pytest.fixture(scope="session")
def server():
    return socket.create_server(("127.0.0.1", 0))

@pytest.fixture
def late():
    yield
    socket.create_server(("127.0.0.1", 0))

def test_without_sockets():
    pass

def test_in_the_test():
    socket.create_server(("127.0.0.1", 0))

def test_in_a_fixture(server):
    pass

def test_in_a_teardown(late):
    pass
"""


def test_the_guard_covers_tests_and_fixtures_of_every_scope(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-q", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 2 passed, 2 errors" in run.stdout, run.stdout
    assert run.stdout.count(f"{MESSAGE} (socket.bind)") >= 3, run.stdout

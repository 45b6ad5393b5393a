"""The proxy performs the actions of its triggers and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.faults.background import Background, eventually
from tests.faults.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def background() -> Iterator[Background]:
    with Background() as running:
        yield running


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that echoes each chunk."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,)).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1024):
                    connection.sendall(b"echo " + data)
            except ConnectionError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def tap(background: Background, echo: tuple[str, int]) -> Iterator[Tap]:
    proxy = Tap(echo)
    background.run(proxy.start())
    yield proxy
    background.run(proxy.stop())


def ask(tap: Tap, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", tap.port), timeout=5) as connection:
        connection.sendall(text)
        return connection.recv(1024)


def test_an_idle_tap_passes_everything(tap: Tap) -> None:
    assert ask(tap, b"hello") == b"echo hello"


def test_the_request_is_cut_the_configured_number_of_times(tap: Tap) -> None:
    tap.on("request", b"COMMIT", "cut", times=1)
    assert ask(tap, b"BEGIN") == b"echo BEGIN"
    with pytest.raises(ConnectionResetError):
        ask(tap, b"COMMIT")
    assert ask(tap, b"COMMIT") == b"echo COMMIT"


def test_the_response_is_lost_after_the_server_has_sent_it(tap: Tap) -> None:
    trigger = tap.on("answer", b"echo COMMIT", "cut")
    with pytest.raises(ConnectionResetError):
        ask(tap, b"COMMIT")
    assert trigger.count == 1


def test_held_bytes_pass_once_released(tap: Tap, background: Background) -> None:
    trigger = tap.on("request", b"slow", "hold")
    with socket.create_connection(("127.0.0.1", tap.port), timeout=5) as connection:
        connection.sendall(b"slow")
        trigger.wait()
        assert ask(tap, b"quick") == b"echo quick"  # another connection is not delayed
        background.call(tap.clear)
        assert connection.recv(1024) == b"echo slow"


def test_without_a_server_the_client_is_reset(background: Background) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        proxy = Tap(gone.getsockname())
    background.run(proxy.start())
    with pytest.raises(ConnectionResetError):
        ask(proxy, b"hello")
    background.run(proxy.stop())


def test_kill_identifies_the_client_by_its_port(
    background: Background, echo: tuple[str, int]
) -> None:
    ports: list[int] = []
    proxy = Tap(echo, kill=ports.append)
    background.run(proxy.start())
    proxy.on("request", b"die", "kill")
    code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
    code += "print(s.getsockname()[1], flush=True); s.sendall(b'die'); s.recv(1)"
    client = subprocess.Popen(
        [sys.executable, "-c", code, str(proxy.port)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    said, _ = client.communicate(timeout=10)
    eventually(lambda: ports, "the kill")
    assert ports == [int(said)]
    background.run(proxy.stop())

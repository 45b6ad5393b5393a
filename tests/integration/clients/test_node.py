"""The JavaScript client in Node.js 20, with the WebSocket of the `ws` package."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.application import Application, application
from tooling.environments import ensure_node_packages, ensure_program, find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = Path(__file__).with_name("node.mjs")
_SECONDS = 30.0


class Client:
    """A process with a client; `wait` returns when it has reported something."""

    def __init__(self, url: str, token: str) -> None:
        node = ensure_program("nodejs", find_node)
        self.process = subprocess.Popen(
            [str(node), str(_PROGRAM), url, token, str(ensure_node_packages())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._lines.put(line)

    def wait(self, *words: str) -> str:
        """Wait for a report that starts with these words, and return its last word."""
        while True:
            said = json.loads(self._lines.get(timeout=_SECONDS))
            assert said[0] != "crash", said
            if tuple(said[: len(words)]) == words:
                return str(said[-1])

    def end(self) -> int:
        """Have the client disposed of; return the exit code, once Node.js has ended by itself."""
        assert self.process.stdin is not None
        self.process.stdin.write("dispose\n")
        self.process.stdin.flush()
        return self.process.wait(timeout=_SECONDS)

    def close(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._reader.join(timeout=_SECONDS)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Application]:
    (tmp_path / "images").mkdir()
    with application(tmp_path / "images") as made:
        yield made


@pytest.fixture
def client(site: Application) -> Iterator[Client]:
    site.herald.refusing = True
    made = Client(site.websocket_url, site.token())
    yield made
    made.close()


def test_node_survives_refusals_lost_connections_and_disposal(
    site: Application, client: Client
) -> None:
    client.wait("state", "connecting", "connect")
    client.wait("state", "reconnecting", "not_opened")
    assert "Unexpected server response: 403" in client.wait("error", "never_opened")
    site.herald.refusing = False
    client.wait("state", "live")
    first, second = site.submit("First"), site.submit("Second")
    site.herald.complete(first, "https://images.example/1.png")
    client.wait("event", first)
    site.herald.drop()
    client.wait("state", "reconnecting", "connection_lost")
    site.herald.complete(second, "https://images.example/2.png")
    client.wait("event", second)
    client.wait("state", "live")
    assert client.end() == 0
    client.wait("state", "closed", "disposed")

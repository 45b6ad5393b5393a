"""The JavaScript client with a clock that the test advances, on real connections to the stack."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tooling.environments import find_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.client import ClientConnection

_PROGRAM = Path(__file__).with_name("client_day.mjs")
_SECONDS = 60.0
MINUTE = 60_000  # of the client's clock, in milliseconds


class Sent(NamedTuple):
    """A frame that the client sent, and when, by the client's clock in milliseconds."""

    action: str
    at: float


class Day:
    """One user's client. Its messages are counted as API Gateway bills them."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        self.sent: list[Sent] = []
        self.received: list[dict[str, Any]] = []
        self.events: list[str] = []
        self.connections: list[str] = []  # ids, from the welcome frames
        self.opened = self.closed = 0
        self._token = token
        self._sockets: dict[int, ClientConnection] = {}
        self._closing = ExitStack()
        self._threads: list[threading.Thread] = []
        self._news: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        node = find_node()
        assert node, "Node.js 20 or newer was not found: install it, or run `make test` as root"
        self._process = subprocess.Popen(
            [str(node), str(_PROGRAM), url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._start(self._read)

    @property
    def messages(self) -> int:
        """The frames of both sides, and a message for each $connect and $disconnect."""
        return len(self.sent) + len(self.received) + self.opened + self.closed

    def count(self, action: str) -> int:
        return sum(sent.action == action for sent in self.sent)

    def advance(self, minutes: float) -> None:
        """Let time pass by the client's clock; return when all of its frames are answered."""
        self._tell(advance=minutes * MINUTE)
        self.wait("advanced")

    def wait(self, name: str) -> Any:
        """Return the next news of this kind; raises AssertionError for errors of the client."""
        while True:
            news = self._news.get(timeout=_SECONDS)
            assert not {"error", "gap", "ended"} & set(news), news
            if name in news:
                return news[name]

    def dispose(self) -> None:
        """Close the connection as the page does when it is left."""
        self._tell(dispose=True)
        self.wait("disposed")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._closing.close()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _tell(self, **command: Any) -> None:
        assert self._process.stdin is not None
        with self._lock, suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments))
        self._threads[-1].start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            match news:
                case {"token": _}:
                    self._tell(token=self._token())
                case {"open": number}:
                    self._open(number, news["url"], news["protocols"])
                case {"send": number}:
                    self.sent.append(Sent(news["action"], news["at"]))
                    self._sockets[number].send(news["data"])
                case {"close": number}:
                    self.closed += 1
                    self._start(self._sockets[number].close)
                case _:
                    if "event" in news:
                        self.events.append(news["event"])
                    self._news.put(news)
        self._news.put({"ended": True})

    def _open(self, number: int, url: str, protocols: list[Any]) -> None:
        opening = connect(url, subprotocols=protocols, proxy=None, ping_interval=None)
        socket = self._closing.enter_context(opening)
        self.opened += 1
        self._sockets[number] = socket
        self._tell(socket={"number": number, "opened": True})
        self._start(self._listen, number, socket)

    def _listen(self, number: int, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            for text in socket:
                frame = json.loads(text)
                self.received.append(frame)
                if frame.get("type") == "welcome":
                    self.connections.append(frame["connection"])
                self._tell(socket={"number": number, "frame": text})
        self._tell(socket={"number": number, "closed": True})

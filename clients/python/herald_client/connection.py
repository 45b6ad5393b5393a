"""One WebSocket, from the handshake to its end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from herald_client.codes import BAD_FRAME, RATE_LIMITED, Ending, by_status, closing, refusal
from herald_client.errors import Refused
from herald_client.keepalive import Keepalive
from herald_client.renewal import Renewal
from herald_client.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from herald_client.events import Frame
    from herald_client.platform import Platform, Socket, Timer

_ANSWER_SECONDS = 10.0
_PING_AGAIN_SECONDS = 20.0
_ROTATION_SPREAD = 0.1
_LEAST_PAUSE_SECONDS = 1.0


class Owner(Protocol):
    """What a connection needs from its owner, and reports to it."""

    async def fresh_token(self) -> str | None:
        """Return a fresh token, or None if the credential cannot be renewed."""

    def position(self) -> Mapping[str, Any] | None:
        """Return the cursor: all events up to it have been handled. None if it is unknown."""

    def received(self, connection: Connection, frame: Frame) -> None: ...
    def changed(self) -> None: ...
    def position_refused(self) -> None: ...
    def ready(self, connection: Connection) -> None: ...
    def rotate(self, connection: Connection) -> None: ...
    def ended(self, connection: Connection, ending: Ending) -> None: ...


class _Request(NamedTuple):
    timer: Timer
    answered: Callable[[Frame | None], None]


class Connection:
    """Says hello, requests and answers, keeps the connection alive, and renews the token.

    The connection is ready after the welcome, once its replay is complete or known to be
    impossible.
    """

    def __init__(
        self, platform: Platform, url: str, headers: Mapping[str, str], owner: Owner
    ) -> None:
        self.welcomed = False
        self.ready_at: float | None = None
        self._platform = platform
        self._owner = owner
        self._ended = False
        self._settled = False
        self._heard_at = 0.0
        self._last_id = 0
        self._hello_id = 0
        self._hello_at = 0.0
        self._requests: dict[int, _Request] = {}
        self._timers = Timers(platform.clock)
        self._keepalive = Keepalive(
            platform, lambda: self._send({"action": "keepalive"}), self.ping
        )
        self._renewal = Renewal(platform, lambda: self._spawn(self._renew()))
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._expect_progress()
        self._task = asyncio.create_task(self._run(url, headers))

    def request(
        self, action: str, fields: Mapping[str, Any], answered: Callable[[Frame | None], None]
    ) -> int:
        """Send a frame; `answered` gets the response, or None if none arrives in time."""
        self._last_id += 1
        number = self._last_id
        timer = self._platform.clock.call_later(_ANSWER_SECONDS, lambda: self._answer(number, None))
        self._requests[number] = _Request(timer, answered)
        self._send({"action": action, "id": number, **fields})
        return number

    def ping(self, tries: int = 1) -> None:
        """Check that the server still answers, and ask for the stream's head.

        Any received frame counts as an answer. If none arrives and `tries` is above one, the client
        pings again: the first ping may have been throttled on a working connection, and
        reconnecting would only add to the load.
        """
        if not self.welcomed or self._ended:
            return
        asked_at = self._platform.clock.monotonic()
        self._keepalive.pinged()

        def answered(answer: Frame | None) -> None:
            if answer and answer["type"] == "pong":
                self._keepalive.proven(asked_at)
            if answer or self._heard_at > asked_at:
                return
            if tries == 1:
                self.end(Ending("backoff", "no pong"))
                return
            again = self._platform.random() * _PING_AGAIN_SECONDS
            self._timers.start("ping again", again, lambda: self.ping(tries - 1))

        self.request("ping", self._owner.position() or {}, answered)

    def current(self) -> None:
        """Record that the newest event of the stream arrived: no earlier one is lost unnoticed."""
        self._keepalive.proven(self._platform.clock.monotonic())

    def end(self, ending: Ending) -> None:
        """Close the connection and tell the owner, once."""
        if not self._ended:
            self.close()
            self._owner.ended(self, ending)

    def close(self) -> None:
        """Close the connection without telling the owner. `finished` waits until it is closed."""
        if self._ended:
            return
        self._ended = True
        self._timers.stop_all()
        self._keepalive.stop()
        self._renewal.stop()
        for request in self._requests.values():
            request.timer.cancel()
        self._requests.clear()
        for task in (*self._tasks, self._task):
            if task is not asyncio.current_task():
                task.cancel()

    async def finished(self) -> None:
        """Wait until the socket is closed."""
        await asyncio.gather(*self._tasks, self._task, return_exceptions=True)

    async def _run(self, url: str, headers: Mapping[str, str]) -> None:
        try:
            socket = await self._platform.connect(url, headers)
        except Refused as exc:
            self.end(by_status(exc.status))
            return
        except Exception as exc:
            self.end(Ending("backoff", f"cannot connect: {exc}"))
            return
        self._spawn(self._write(socket))
        try:
            self._hello()
            while not self._ended:
                self._receive(await socket.recv())
        except ConnectionError:
            self.end(Ending("backoff", "connection lost"))
        except Exception as exc:  # a frame that breaks the protocol
            self.end(Ending("backoff", f"a frame could not be processed: {exc!r}"))
        finally:
            with suppress(OSError):
                await socket.close()

    async def _write(self, socket: Socket) -> None:
        with suppress(ConnectionError):  # the reader notices, too
            while True:
                await socket.send(await self._outgoing.get())

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, frame: Mapping[str, Any]) -> None:
        self._outgoing.put_nowait(json.dumps(frame))
        self._keepalive.active()

    def _hello(self) -> None:
        self._expect_progress()
        resume = self._owner.position()
        self._settled = resume is None
        self._hello_at = self._platform.clock.monotonic()

        def answered(answer: Frame | None) -> None:
            # Without an answer, the progress timer ends the connection.
            if not answer or answer["type"] != "error":
                return
            if answer["code"] == RATE_LIMITED:
                self._hello_later(_seconds(answer.get("retry_after_ms", 0)))
                return
            if resume is None or answer["code"] != BAD_FRAME:
                self.end(refusal(answer))
                return
            self._owner.position_refused()
            self._hello()

        fields = {} if resume is None else {"resume": resume}
        self._hello_id = self.request("hello", fields, answered)

    def _hello_later(self, seconds: float) -> None:
        """Repeat hello on this connection, which receives live events in the meantime."""
        wait = max(_LEAST_PAUSE_SECONDS, seconds)
        self._timers.start("hello", wait, self._hello)
        self._expect_progress(wait)

    def _receive(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        self._heard_at = self._platform.clock.monotonic()
        self._keepalive.active()
        if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
            # When a route fails, API Gateway sends its own message, which has no type.
            if not self.welcomed:
                self.end(Ending("backoff", "hello failed"))
            return
        if self.ready_at is None and not self._timers.running("hello"):
            self._expect_progress()
        if frame["type"] == "close":
            self.end(closing(frame))
            return
        if frame["type"] == "welcome":
            self._welcome(frame)
        self._owner.received(self, frame)
        answers_hello = frame.get("re") == self._hello_id
        if answers_hello and frame["type"] in ("caught_up", "gap"):
            self._settled = True
        self._answer(frame.get("re"), frame)
        self._become_ready()

    def _become_ready(self) -> None:
        if self._ended or self.ready_at is not None or not self.welcomed:
            return
        if not self._settled:
            self._owner.changed()
            return
        self.ready_at = self._platform.clock.monotonic()
        self._timers.stop("progress")
        self._owner.ready(self)

    def _welcome(self, frame: Frame) -> None:
        self.welcomed = True
        if frame["recovered"] and not frame["replaying"]:
            self._settled = True
        self._keepalive.start(frame, self._hello_at)
        # Random lifetimes, because clients that reconnected together after an outage must not all
        # reconnect together again two hours later.
        lifetime = _seconds(frame["lifetime_ms"]) * (1 - _ROTATION_SPREAD * self._platform.random())
        self._timers.start("lifetime", lifetime, lambda: self._owner.rotate(self))
        self._renewal.start(frame.get("token_ms"), lifetime)

    async def _renew(self) -> None:
        try:
            token = await self._owner.fresh_token()
        except Exception:  # the owner has reported it; the next attempt may succeed
            self._renewal.answered(None)
            return
        if token is not None:
            self.request("auth", {"token": token}, self._renewal.answered)

    def _answer(self, number: Any, frame: Frame | None) -> None:
        request = self._requests.pop(number, None) if isinstance(number, int) else None
        if request:
            request.timer.cancel()
            request.answered(frame)

    def _expect_progress(self, later: float = 0.0) -> None:
        """End the connection unless frames keep arriving until it is ready."""
        silent = Ending("backoff", "no answer to hello")
        self._timers.start("progress", later + _ANSWER_SECONDS, lambda: self.end(silent))


def _seconds(milliseconds: float) -> float:
    return milliseconds / 1000

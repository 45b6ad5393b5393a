"""Keeps one connection: connects, reconnects, and replaces the connection before it expires."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from herald_client.backoff import Backoff
from herald_client.codes import OVERLOADED, Ending
from herald_client.connection import Connection
from herald_client.errors import Closed
from herald_client.events import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from herald_client.credential import Credential
    from herald_client.events import Frame, State
    from herald_client.platform import Platform, Timer
    from herald_client.stream import Stream

_RECONNECT_SECONDS = (0.5, 20.0)
_STABLE_SECONDS = 10.0
_TOKEN_SECONDS = 15.0


class Listener(Protocol):
    """What a link reports."""

    def on_state(self, state: State) -> None: ...
    def on_problem(self, problem: Problem) -> None: ...
    def on_identity(self, user: str) -> None: ...
    def on_ready(self) -> None: ...
    def on_not_stored(self) -> None: ...
    def on_position_refused(self) -> None: ...
    def on_end(self, cause: Closed) -> None: ...


class Link:
    """The connection of a client, and the one that is to replace it."""

    def __init__(
        self, platform: Platform, url: str, credential: Credential, listener: Listener
    ) -> None:
        self.stream: Stream
        self.state: State = "offline"
        self._platform = platform
        self._url = url
        self._credential = credential
        self._listener = listener
        self._backoff = Backoff(*_RECONNECT_SECONDS, platform.random)
        self._current: Connection | None = None  # ready
        self._next: Connection | None = None  # the first connection, or a replacement
        self._dialling: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._not_before = 0.0  # the server does not want the client to reconnect earlier
        self._connections: set[asyncio.Task[None]] = set()

    def connect(self) -> None:
        """Connect at once, unless there is a connection."""
        if not self._busy():
            self._backoff.reset()
            self._dial()

    def check(self) -> None:
        """Ping, or reconnect at once if the server allows it: the network may have changed."""
        if self._current:
            self._current.ping()
        elif self._timer is not None and self._now() >= self._not_before:
            self.connect()

    def ping(self) -> None:
        """Ask for the stream's head."""
        if self._current:
            self._current.ping()

    def request(
        self, action: str, fields: Mapping[str, Any], answered: Callable[[Frame | None], None]
    ) -> None:
        """Send a frame on the connection that is ready, if there is one."""
        if self._current:
            self._current.request(action, fields, answered)

    async def close(self) -> None:
        """Close all connections, and wait until they are closed."""
        self._shut()
        pending = [self._dialling] if self._dialling else []
        self._dialling = None
        await asyncio.gather(*pending, *self._connections, return_exceptions=True)

    def _shut(self) -> None:
        if self._dialling:
            self._dialling.cancel()
        self._disarm()
        self.stream.stop()
        for connection in (self._current, self._next):
            self._drop(connection)
        self._current = self._next = None
        self._report()

    def _drop(self, connection: Connection | None) -> None:
        """Close a connection without waiting for it."""
        if connection:
            connection.close()
            task = asyncio.create_task(connection.finished())
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    def _busy(self) -> bool:
        return bool(self._is_dialling() or self._next or self._current)

    def _is_dialling(self) -> bool:
        return self._dialling is not None and not self._dialling.done()

    def _dial(self) -> None:
        self._disarm()
        self._dialling = asyncio.create_task(self._open())
        self._report()

    async def _open(self) -> None:
        try:
            value = await self._fetch()
        except Exception as exc:
            self._report_problem(exc)
            self._dialling = None
            self._retry_later(Ending("backoff"))
            return
        self._listener.on_identity(self._credential.user(value))
        headers = self._credential.headers(value)
        self._next = Connection(self._platform, self._url, headers, self)
        self._dialling = None
        self._report()

    async def _fetch(self) -> str:
        """Return a credential; raises TimeoutError, and what the application's function raises."""
        task = asyncio.create_task(self._credential.fetch())

        def expire() -> None:
            task.cancel()

        timer = self._platform.clock.call_later(_TOKEN_SECONDS, expire)
        owner = asyncio.current_task()
        try:
            return await task
        except asyncio.CancelledError:
            if owner is not None and owner.cancelling():
                task.cancel()
                raise
            raise TimeoutError(f"token() took longer than {_TOKEN_SECONDS:g} s") from None
        finally:
            timer.cancel()

    def _report_problem(self, error: Exception) -> None:
        self._listener.on_problem(Problem("token_failed", str(error) or repr(error), cause=error))

    # What a connection needs and reports: the protocol Owner of connection.py.

    async def fresh_token(self) -> str | None:
        if not self._credential.renewable:
            return None
        try:
            return await self._fetch()
        except Exception as exc:
            self._report_problem(exc)
            raise

    def position(self) -> Mapping[str, Any] | None:
        return self.stream.position

    def received(self, connection: Connection, frame: Frame) -> None:
        if frame["type"] != "error":
            self.stream.receive(frame, connection)
            return
        self._listener.on_problem(Problem(frame["name"], frame["message"], frame["code"]))
        # An event could not be stored, so no replay contains it.
        if frame["code"] == OVERLOADED and frame.get("re") is None:
            self._listener.on_not_stored()

    def changed(self) -> None:
        self._report()

    def position_refused(self) -> None:
        self.stream.forget()
        self._listener.on_position_refused()

    def ready(self, connection: Connection) -> None:
        self._drop(self._current)
        self._current, self._next = connection, None
        self._report()
        self.stream.start()
        self._listener.on_ready()

    def rotate(self, connection: Connection) -> None:
        if connection is self._current and not self._next and not self._is_dialling():
            self._dial()

    def ended(self, connection: Connection, ending: Ending) -> None:
        stable = connection.ready_at is not None
        if stable and self._now() - (connection.ready_at or 0.0) >= _STABLE_SECONDS:
            self._backoff.reset()
        self._drop(connection)
        if connection is self._next:
            self._next = None
        if connection is self._current:
            self._current = None
            self.stream.stop()
        self._retry(ending)

    def drop_current(self) -> None:
        """Close the connection of another user."""
        self._drop(self._current)
        self._current = None
        self.stream.stop()

    def _retry(self, ending: Ending) -> None:
        if ending.reconnect == "never":
            self._shut()
            self._listener.on_end(Closed(ending.name, ending.code or 0))
            return
        if ending.reconnect == "backoff":
            self._listener.on_problem(Problem(ending.name, ending.message, ending.code))
        self._retry_later(ending)

    def _retry_later(self, ending: Ending) -> None:
        if self._is_dialling() or self._next:
            self._report()
            return
        # At once only after a successful connection. A client that is refused repeatedly backs off.
        at_once = ending.reconnect == "now" and self._backoff.attempt == 0
        delay = self._backoff.next()
        now = self._now()
        self._not_before = max(self._not_before, now + ending.retry_after)
        wait = self._not_before - now + (0.0 if at_once else delay)
        self._disarm()
        self._timer = self._platform.clock.call_later(wait, self._dial)
        self._report()

    def _report(self) -> None:
        state: State = "offline"
        if self._current:
            state = "live"
        elif self._next:
            state = "catching_up" if self._next.welcomed else "connecting"
        elif self._is_dialling():
            state = "connecting"
        if state != self.state:
            self.state = state
            self._listener.on_state(state)

    def _now(self) -> float:
        return self._platform.clock.monotonic()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

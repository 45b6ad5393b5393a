"""The parts of a client, put together; the public classes are thin wrappers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from herald_client.errors import HeraldError
from herald_client.events import Gap, Problem, Progress, State
from herald_client.inbox import Inbox, Item, Load
from herald_client.link import Link
from herald_client.position import Position, Store
from herald_client.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from herald_client.credential import Credential
    from herald_client.errors import Closed
    from herald_client.events import Frame, LoadReason
    from herald_client.platform import Platform

_log = logging.getLogger("herald_client")


@dataclass(frozen=True)
class Handlers:
    """The functions of the application."""

    load: Callable[[LoadReason], Awaitable[object] | object] | None
    on_progress: Callable[[Progress], Awaitable[object] | object] | None
    on_gap: Callable[[Gap], object] | None
    on_state: Callable[[State], object] | None
    on_problem: Callable[[Problem], object] | None


class Core:
    """Connects the link, which has the connection, with the stream and the inbox."""

    def __init__(
        self,
        platform: Platform,
        url: str,
        credential: Credential,
        handlers: Handlers,
        store: Store | None,
        *,
        user: str | None,
        from_start: bool,
    ) -> None:
        self._url = url
        self._handlers = handlers
        self._user = user
        self._from_start = from_start
        self._owner: str | None = None
        self._load_due: LoadReason | None = "start"
        self._taking = False
        self._inbox = Inbox()
        self._inbox.hold()
        self.link = Link(platform, url, credential, self)
        position = Position(store, platform.clock)
        self.stream = Stream(platform, self._inbox, position, self._ask, self)
        self.link.stream = self.stream

    def connect(self) -> None:
        """Connect, unless connected. The iteration goes on after an earlier end."""
        self._inbox.reopen()
        self.link.connect()

    async def close(self) -> None:
        """Close the connection; `take` raises StopAsyncIteration once the inbox is empty."""
        self._inbox.end(StopAsyncIteration())
        await self.link.close()

    async def take(self) -> Item:
        """Return the next item; the previous one counts as handled."""
        if self._taking:
            raise HeraldError("Only one task can iterate over a client.")
        self._taking = True
        try:
            self.handled()
            return await self._inbox.take()
        finally:
            self._taking = False

    def handled(self) -> None:
        """Record that the item taken last was handled."""
        if self._inbox.confirm():
            self.stream.handled()

    def return_item(self) -> None:
        """Record that the item taken last was not handled; it is taken again."""
        self._inbox.return_item()

    def call(self, item: Load | Progress) -> object:
        """Call the application's function for an item; the result may be awaitable."""
        if isinstance(item, Progress):
            return self._handlers.on_progress(item) if self._handlers.on_progress else None
        return self._handlers.load(item.reason) if self._handlers.load else None

    def _ask(self, since: int, limit: int, answered: Callable[[Frame | None], None], /) -> None:
        self.link.request("history", {"since": since, "limit": limit}, answered)

    # What the link and the stream report.

    def on_state(self, state: State) -> None:
        _emit(self._handlers.on_state, state)

    def on_problem(self, problem: Problem) -> None:
        _log.warning("%s: %s", problem.name, problem.message)
        _emit(self._handlers.on_problem, problem)

    def on_recovered(self) -> None:
        """Events are rarely lost alone: later ones may be missing, too."""
        self.link.ping()

    def on_gap(self, gap: Gap) -> None:
        _emit(self._handlers.on_gap, gap)
        self._request_load("gap")

    def on_not_stored(self) -> None:
        if self._load_due is None:
            self._request_load("error")

    def on_position_refused(self) -> None:
        self._load_due = self._load_due or "error"

    def on_ready(self) -> None:
        if self._load_due:
            self._request_load(self._load_due)

    def on_identity(self, user: str) -> None:
        """Use the position of this user: a position is valid only in the stream of its user."""
        owner = self._user or user
        if owner == self._owner:
            return
        if self._owner is not None:
            self._load_due = "start"
            self._inbox.hold()
            self.link.drop_current()
        self._owner = owner
        self.stream.open(f"{self._url} {owner}", from_start=self._from_start)

    def on_end(self, cause: Closed) -> None:
        self._inbox.end(cause)

    def _request_load(self, reason: LoadReason) -> None:
        self._load_due = None
        self._inbox.load(reason)


def _emit(handler: Callable[[Any], object] | None, value: object) -> None:
    """Call a handler. Its errors must not affect the connection."""
    try:
        if handler:
            handler(value)
    except Exception:
        _log.exception("a handler of the client failed")

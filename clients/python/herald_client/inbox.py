"""What has arrived and what the application has not handled yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from herald_client.events import Event, LoadReason, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPACITY = 1_000  # events


class Load(NamedTuple):
    """The application must load its state now."""

    reason: LoadReason


Item = Load | Progress | Event


class Inbox:
    """Items in the order in which the application handles them: one at a time, loads first.

    Events that arrive during a load therefore follow it, and rows that were read by the load never
    replace a newer event. An item counts as handled when the next one is taken. While `loading` is
    due but not yet possible, because the position is unknown, events are held.
    """

    def __init__(self) -> None:
        self._items: deque[Event | str] = deque()  # a str is the generation of newer progress
        self._progress: dict[str, Progress] = {}
        self._load: LoadReason | None = None
        self._held = False
        self._in_hand: Item | None = None
        self._end: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether the application is so slow that further events must wait at Herald."""
        return len(self._items) >= CAPACITY

    def hold(self) -> None:
        """Hold events until the next load."""
        self._held = True

    def load(self, reason: LoadReason) -> None:
        """Add a load in front of all events."""
        self._load, self._held = reason, False
        self._changed.set()

    def add(self, event: Event) -> None:
        self._items.append(event)
        self._changed.set()

    def advance(self, progress: Progress) -> None:
        """Add progress; it replaces older progress of the same generation."""
        if progress.generation not in self._progress:
            self._items.append(progress.generation)
        self._progress[progress.generation] = progress
        self._changed.set()

    def end(self, cause: BaseException) -> None:
        """Raise `cause` once all events are handled."""
        self._end = cause
        self._changed.set()

    def reopen(self) -> None:
        self._end = None

    def confirm(self) -> bool:
        """Record that the item in hand is handled; returns whether there was one."""
        found, self._in_hand = self._in_hand is not None, None
        return found

    def return_item(self) -> None:
        """Record that the item in hand was not handled; it is taken again."""
        item, self._in_hand = self._in_hand, None
        if isinstance(item, Load):
            self._load = self._load or item.reason
        elif isinstance(item, Event):
            self._items.appendleft(item)

    async def take(self) -> Item:
        """Wait for the next item; raises what `end` was called with."""
        while (item := self._next()) is None:
            if self._end is not None:
                raise self._end
            self._changed.clear()
            await self._changed.wait()
        self._in_hand = item
        return item

    def unhandled(self, epoch: str | None) -> Iterator[int]:
        """Yield the offsets of all events of this epoch that are not handled."""
        for item in (self._in_hand, *self._items):
            if isinstance(item, Event) and item.offset is not None and item.epoch == epoch:
                yield item.offset

    def _next(self) -> Item | None:
        if self._load is not None:
            load, self._load = Load(self._load), None
            return load
        if self._held or not self._items:
            return None
        first = self._items.popleft()
        return first if isinstance(first, Event) else self._progress.pop(first)

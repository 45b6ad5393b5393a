"""Keeps a position across restarts."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from herald_client.cursor import Range, Snapshot

if TYPE_CHECKING:
    from herald_client.platform import Clock

_EPOCH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_OFFSET = 2**53


class Store(Protocol):
    """Keeps one text. Each process needs a store of its own.

    If processes shared a position, one would skip events that only the other has handled.
    """

    def read(self) -> str | None:
        """Return the text that was written last, or None."""

    def write(self, text: str) -> None:
        """Replace the text, completely or not at all."""


class FileStore:
    """Keeps the position in a file that only its owner can read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def read(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def write(self, text: str) -> None:
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self._path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


class Position:
    """Reads and writes positions of one user at one Herald; others in the store are ignored."""

    def __init__(self, store: Store | None, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._owner = ""

    @property
    def kept(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def read(self, owner: str) -> Snapshot | None:
        """Return the stored position of `owner`: the URL and the user.

        Returns None if there is none or if it is malformed, because Herald would refuse it at every
        start. The times of the holes are those of the monotonic clock.
        """
        self._owner = owner
        text = self._store.read() if self._store else None
        try:
            stored = json.loads(text or "null")
            return self._restored(stored) if stored["owner"] == owner else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, snapshot: Snapshot | None) -> None:
        """Store the position; None removes it. Raises the errors of the store."""
        if self._store is None:
            return
        if snapshot is None:
            self._store.write("null")
            return
        since_epoch = self._clock.time() - self._clock.monotonic()
        holes = [[*span, since + since_epoch] for span, since in snapshot.holes]
        fields = {**snapshot._asdict(), "holes": holes, "owner": self._owner}
        self._store.write(json.dumps(fields))

    def _restored(self, stored: Any) -> Snapshot:
        now, today = self._clock.monotonic(), self._clock.time()
        highest, floor = _offset(stored["highest"]), _offset(stored["floor"])
        skipped = tuple(_range(first, last, highest) for first, last in stored["skipped"])
        holes = []
        for first, last, since in stored["holes"]:
            if not math.isfinite(since):
                raise ValueError("not a time")
            # If the wall clock was set back, the hole counts as new.
            holes.append((_range(first, last, highest), now - max(0.0, today - since)))
        spans = [span for span, _ in holes]
        if any(later.first <= span.last for span, later in itertools.pairwise(spans)):
            raise ValueError("the ranges overlap")
        epoch = stored["epoch"]
        if epoch is not None and not _EPOCH.fullmatch(epoch):
            raise ValueError("the epoch is not a UUID")
        return Snapshot(epoch, highest, floor, tuple(holes), skipped)


def _offset(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_OFFSET:
        raise ValueError("not an offset")
    return value


def _range(first: Any, last: Any, highest: int) -> Range:
    if not 1 <= _offset(first) <= _offset(last) <= highest:
        raise ValueError("not a range of known offsets")
    return Range(first, last)

"""Waiting for sockets, with epoll where the system provides it and with select.poll elsewhere."""

import select
from typing import cast


def new_poller() -> "select.epoll":
    """Return an epoll object, or one with the same methods."""
    return cast("select.epoll", select.epoll() if hasattr(select, "epoll") else _Poll())


class _Poll:
    """An adapter for select.poll that takes timeouts in seconds, as epoll does."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll.poll(timeout * 1000)

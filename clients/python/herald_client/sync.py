"""The synchronous client, for scripts and threads."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Self

from herald_client.client import Client
from herald_client.errors import HeraldError
from herald_client.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType
    from typing import Any, TypeVar

    from herald_client.inbox import Item

    T = TypeVar("T")


class Herald(Client):
    """Iterates over the events of one user, each exactly once, across reconnects.

    It is used like the asynchronous client, without `async`::

        with Herald(url, token=get_token, load=load_rows) as herald:
            for event in herald:
                ...

    The connection is served by a thread of its own, also while your code works. `load` and
    `on_progress` are plain functions, which the iteration calls in your thread. `token` may block,
    and is called in another thread. `on_gap`, `on_state` and `on_problem` are called in the
    connection's thread and must not block.
    """

    _token_in_thread = True
    _loop: asyncio.AbstractEventLoop | None = None  # set inside the `with` block

    @property
    def position(self) -> Mapping[str, Any] | None:
        """As in the asynchronous client."""
        if self._loop is None:
            return super().position
        return self._call(lambda: super(Herald, self).position)

    def get(self, timeout: float | None = None) -> Event:
        """Return the next event.

        Raises
        ------
        TimeoutError
            No event arrived within `timeout` seconds. No event is lost.
        HeraldError
            The client is not in its `with` block.
        Closed
            As in the iteration of the asynchronous client.
        StopAsyncIteration
            The client was closed.
        """
        while not isinstance(item := self._take(timeout), Event):
            try:
                result = self._core.call(item)
                if inspect.iscoroutine(result):
                    result.close()
                    raise TypeError("load and on_progress must not be async functions here")
            except BaseException:
                self._call(self._core.return_item)
                raise
        return item

    def check(self) -> None:
        """Check the connection at once: call this when the network or the machine is back."""
        self._call(self._core.link.check)

    def close(self) -> None:
        """Close the connection, from any thread. The iteration ends after what has arrived."""
        self._await(self._core.close())

    def __enter__(self) -> Self:
        self._loop = loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="herald", daemon=True)
        self._thread.start()
        self._call(self._core.connect)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._call(self._core.handled)
        self.close()
        loop, self._loop = self._loop, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            return self.get()
        except StopAsyncIteration:
            raise StopIteration from None

    def _take(self, timeout: float | None) -> Item:
        async def take() -> Item:
            async with asyncio.timeout(timeout):
                return await self._core.take()

        return self._await(take())

    def _call(self, action: Callable[[], T]) -> T:
        """Call a function in the connection's thread."""

        async def call() -> T:
            return action()

        return self._await(call())

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise HeraldError("Use the client in a `with` block.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # after Ctrl-C; otherwise it is done
            raise

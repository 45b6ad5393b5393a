"""The asynchronous client."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self

from herald_client.core import Core, Handlers
from herald_client.credential import Credential
from herald_client.events import Event
from herald_client.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from herald_client.events import Gap, LoadReason, Problem, Progress, State
    from herald_client.position import Store


class Client:
    """What the asynchronous and the synchronous client share.

    Parameters
    ----------
    url
        The WebSocket URL: the Terraform output `websocket_url`.
    token
        A function that returns a fresh JWT. It is called for each connection, and before a token
        expires. The asynchronous client also takes an asynchronous function, and a plain one must
        not block.
    api_key
        An API key, instead of tokens.
    user
        Whose position is in the store. By default, this is the token's `sub`, or the key's id.
    load
        Loads your own state. It is called when the position is known for the first time (`start`),
        after each gap (`gap`), and after Herald reports that an event could not be stored or that
        the position is invalid (`error`). Events that arrive meanwhile follow it. If it raises an
        exception, so does the iteration; the next step of the iteration repeats it.
    on_progress
        Receives the newest progress of running generations.
    on_gap, on_state, on_problem
        Plain functions that receive gaps, changes of `state`, and problems that the client
        survives. Problems are also logged by the logger `herald_client`.
    store
        Keeps the position across restarts. Each process needs a store of its own.
    from_start
        Without a stored position, begin with the oldest event that Herald still stores, and not
        with the next one.
    platform
        The clocks, the randomness and the sockets; tests replace them.
    """

    _token_in_thread = False

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str | Awaitable[str]] | None = None,
        api_key: str | None = None,
        user: str | None = None,
        load: Callable[[LoadReason], Awaitable[object] | object] | None = None,
        on_progress: Callable[[Progress], Awaitable[object] | object] | None = None,
        on_gap: Callable[[Gap], object] | None = None,
        on_state: Callable[[State], object] | None = None,
        on_problem: Callable[[Problem], object] | None = None,
        store: Store | None = None,
        from_start: bool = False,
        platform: Platform | None = None,
    ) -> None:
        self._core = Core(
            platform or Platform(),
            url,
            Credential(token, api_key, in_thread=self._token_in_thread),
            Handlers(load, on_progress, on_gap, on_state, on_problem),
            store,
            user=user,
            from_start=from_start,
        )

    @property
    def state(self) -> State:
        """The state: `connecting`, `catching_up`, `live` or `offline`."""
        return self._core.link.state

    @property
    def position(self) -> Mapping[str, Any] | None:
        """The epoch, and the offset up to which all events are handled.

        It is None before the first welcome. The epoch is missing while the stream has no event.
        """
        return self._core.stream.position


class Herald(Client):
    """Iterates over the events of one user, each exactly once, across reconnects.

    Use it as an asynchronous context manager, which connects and closes::

        async with Herald(url, token=get_token, load=load_rows) as herald:
            async for event in herald:
                ...

    An event counts as handled when you take the next one, or leave the block without an exception.
    Only then does the position move past it. `load` and `on_progress` are called by the iteration,
    between two events, so they never run at the same time as the body of your loop.

    Raises
    ------
    Closed
        From the iteration: Herald asked the client not to reconnect, or refused the connection for
        good. All events that arrived before are handed over first.
    """

    def connect(self) -> None:
        """Connect, or reconnect at once. Entering the block does this.

        After Closed, this resumes from the position.
        """
        self._core.connect()

    def check(self) -> None:
        """Check the connection at once: call this when the network or the machine is back."""
        self._core.link.check()

    async def close(self) -> None:
        """Close the connection. The iteration ends after the events that have arrived."""
        await self._core.close()

    async def __aenter__(self) -> Self:
        self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._core.handled()
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not isinstance(item := await self._core.take(), Event):
            try:
                result = self._core.call(item)
                if inspect.isawaitable(result):
                    await result
            except BaseException:
                self._core.return_item()
                raise
        return item

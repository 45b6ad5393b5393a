"""Opens WebSockets with the `websockets` package."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.asyncio import client
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from herald_client.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL = "herald.v1"  # a server of another version answers 400
CLOSE_SECONDS = 2.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class WebSocket:
    """An open WebSocket of the `websockets` package, with ConnectionError as its only error."""

    def __init__(self, connection: client.ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as exc:
            raise ConnectionError(str(exc)) from exc

    async def recv(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as exc:
            raise ConnectionError(str(exc)) from exc

    async def close(self) -> None:
        await self._connection.close()


class _Connect(client.connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow no redirect: it would carry the API key to another host."""
        return exc


async def connect(url: str, headers: Mapping[str, str], /) -> WebSocket:
    """Open a WebSocket; the headers carry the credential.

    The protocol has its own pings and its own time limits, so those of `websockets` are off.

    Raises
    ------
    Refused
        The server answered with an HTTP status other than 101.
    OSError
        The connection could not be opened.
    """
    try:
        connection = await _Connect(
            url,
            additional_headers=dict(headers),
            subprotocols=[Subprotocol(PROTOCOL)],
            proxy=None if urlsplit(url).hostname in _LOOPBACK else True,
            compression=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=CLOSE_SECONDS,
        )
    except InvalidStatus as exc:
        raise Refused(exc.response.status_code) from exc
    except WebSocketException as exc:
        raise ConnectionError(str(exc)) from exc
    return WebSocket(connection)

"""A TCP proxy that counts how often its client asks the server."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from tests.fakes.serving import listener, port

if TYPE_CHECKING:
    from collections.abc import Iterator


class RoundTrips:
    """Forwards one connection. `count` is how often the client has sent after the server had."""

    def __init__(self, listening: socket.socket, server: tuple[str, int]) -> None:
        self.count = 0
        self._listening = listening
        self._server = server

    def forward(self) -> None:
        """Forward until either side closes the connection."""
        with self._listening.accept()[0] as client, socket.create_connection(self._server) as peer:
            last = peer
            while True:
                for source in select.select([client, peer], [], [])[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    self.count += source is client and last is peer
                    last = source
                    (peer if source is client else client).sendall(data)


@contextmanager
def counted(server: tuple[str, int]) -> Iterator[tuple[RoundTrips, int]]:
    """Count the round trips to a server; yields the counter and the port to connect to.

    The connection must be closed before the block ends.
    """
    with closing(listener()) as listening:
        counter = RoundTrips(listening, server)
        thread = threading.Thread(target=counter.forward)
        thread.start()
        try:
            yield counter, port(listening)
        finally:
            thread.join(timeout=20)
            assert not thread.is_alive(), "the connection is still open"

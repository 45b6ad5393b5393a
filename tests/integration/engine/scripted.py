"""The server for the engine's tests. Each connection follows a script."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from chalicelib.engine import endpoint
from chalicelib.engine.engine import Endpoint, Request, Response

OKAY = Response(200, b"ok", "")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Clock:
    """The engine's clock. A test can set it forward, so that no test waits for a timeout."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def leap(self) -> None:
        self._ahead += endpoint.TIMEOUT + 1


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, server: "Server") -> None:
        self.connection = connection
        self._server = server
        self._rest = b""

    def read(self) -> bytes:
        """Return the next request with head and body, or nothing if the client has closed."""
        head = self._until(b"\r\n\r\n")
        if not head:
            return b""
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(self._rest) < length:
            self._rest += self.connection.recv(65536)
        body, self._rest = self._rest[:length], self._rest[length:]
        self._server.requests.append(head + body)
        return head + body

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        """Close the connection with a reset (RST), as when a process crashes."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def hang(self) -> None:
        """Send nothing until the client closes."""
        with contextlib.suppress(OSError):
            while self.connection.recv(65536):
                pass

    def ignore(self) -> None:
        """Stop reading until the client closes."""
        waiting = select.poll()
        waiting.register(self.connection, select.POLLRDHUP)
        waiting.poll()

    def closed_within(self, seconds: float) -> bool:
        """Whether the client closes the connection within that time."""
        waiting = select.poll()
        waiting.register(self.connection, select.POLLRDHUP)
        return bool(waiting.poll(seconds * 1000))

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            data = self.connection.recv(65536)
            if not data:
                return b""
            self._rest += data
        found, _, self._rest = self._rest.partition(end)
        return found + end


Script = Callable[[Peer], None]


def each(*answers: bytes) -> Script:
    """Return a script that answers the requests of a connection in order. The last answer is
    repeated.
    """

    def script(peer: Peer) -> None:
        left = list(answers)
        while peer.read():
            peer.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def close_after(*answers: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for given in answers:
            peer.read()
            peer.send(given)

    return script


def reset_unanswered(peer: Peer) -> None:
    peer.read()
    peer.reset()


def hang(peer: Peer) -> None:
    peer.read()
    peer.hang()


def too_late(clock: Clock) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.read()
        clock.leap()
        peer.hang()

    return script


def echo(peer: Peer) -> None:
    while request := peer.read():
        peer.send(answer(200, request.partition(b"\r\n\r\n")[2]))


class Server:
    """Runs one script per connection, in order. The last script is repeated."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)  # released when a connection's script is over
        self._scripts = list(scripts)
        self._tls = tls
        self._errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "Server":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a script did not end"
        if self._errors and error is None:
            raise self._errors[0]

    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for connection in self._accepted():
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.add(connection)
            self._start(self._serve, connection, script)

    def _accepted(self) -> Iterator[socket.socket]:
        with contextlib.suppress(OSError):
            while True:
                yield self._listener.accept()[0]

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            served = connection
            if self._tls is not None:
                self._open.discard(connection)
                served = self._tls.wrap_socket(
                    connection, server_side=True, suppress_ragged_eofs=True
                )
                self._open.add(served)
            script(Peer(served, self))
        except OSError:
            # the client closed or the handshake failed, which the test detects in the client's
            # result
            pass
        except BaseException as exc:
            self._errors.append(exc)
        finally:
            self._open.discard(served)
            served.close()
            self.ended.release()


def at(server: Server, **options: object) -> Endpoint:
    return Endpoint(f"{server.url}/prod", "execute-api", "eu-central-1", **options)  # type: ignore[arg-type]


def post(to: Endpoint, body: bytes = b"x", **options: object) -> Request:
    return Request(to, "POST", "/@connections/a%3D", body, **options)  # type: ignore[arg-type]

"""A non-blocking connection to an endpoint, and a poller that waits for many connections.

The connection uses TLS if the endpoint's URL starts with https. The poller is epoll if the system
has it, otherwise select.poll.
"""

import contextlib
import errno
import os
import select
import socket
import ssl
from typing import Generic, TypeVar, cast

from chalicelib.engine.endpoint import Address, Endpoint
from chalicelib.engine.http1 import Failure, Malformed, Reader, Response, usual

T = TypeVar("T")

READ, WRITE = select.POLLIN, select.POLLOUT  # epoll has the same values

_RECEIVE = 32 * 1024
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Broken(Exception):
    """The connection cannot be used any more. `failure` has the kind of failure, `detail` a
    description.
    """

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(failure, detail)
        self.failure = failure
        self.detail = detail


class HttpConnection(Generic[T]):
    """A socket that carries one request at a time.

    `established` is true once the connection is open; from then on, a request may have reached the
    service. `reused` is true once a response has arrived. `expires` is the time on the engine's
    clock at which the request times out or the idle connection is closed. `carries` is the current
    request, or None while the connection is idle; the engine sets it.
    """

    __slots__ = (
        "_events",
        "_poller",
        "_reader",
        "_refusal",
        "_socket",
        "_tls",
        "_unsent",
        "address",
        "carries",
        "endpoint",
        "established",
        "expires",
        "fd",
        "reused",
    )

    def __init__(self, endpoint: Endpoint, poller: "select.epoll", now: float) -> None:
        self.endpoint = endpoint
        self.address: Address = endpoint.addresses(now)[0]
        self.carries: T | None = None
        self.established = False
        self.reused = False
        self.expires = now + endpoint.connect_timeout
        self._reader: Reader | None = None  # of a response that has arrived only in part
        self._tls: ssl.SSLSocket | None = None
        self._unsent = b""
        family, destination = self.address
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._refusal = self._socket.connect_ex(destination)
        if self._refusal == errno.EINPROGRESS:
            self._refusal = 0
        self.fd = self._socket.fileno()
        self._events = WRITE
        self._poller = poller
        poller.register(self.fd, WRITE)

    def send(self, data: bytes, now: float) -> None:
        """Send as much of a request as the socket accepts; `advance` sends the rest."""
        self._reader = None
        self._unsent = data
        if self.established:
            self.expires = now + self.endpoint.timeout
            self._flush()

    def advance(self, now: float) -> Response | None:
        """Continue after the socket became ready; return the response once it is complete.

        Raises
        ------
        Broken
            The connection failed before the response was complete.
        """
        if not self.established:
            self._establish(now)
            return None
        if self._unsent:
            self._flush()
        response = self._receive()
        if response is not None:
            if self._unsent:  # the service answered before it had the whole request
                response.reusable = False
            if self._tls is not None and not self.reused:
                self.endpoint.session = self._tls.session  # shortens the next handshake
            self.reused = True
        return response

    @property
    def answering(self) -> bool:
        """Whether part of a response has arrived."""
        return self._reader is not None and self._reader.started

    def quiet(self) -> bool:
        """Whether a readable idle connection can still be used."""
        try:
            self._socket.recv(1)
        except _LATER:  # only a TLS session ticket arrived
            return True
        except OSError:
            return False
        return False  # the peer closed the connection or sent unexpected data

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a failed handshake has already closed the socket
            self._poller.unregister(self.fd)
        self._socket.close()

    def _establish(self, now: float) -> None:
        if self._tls is None:
            error = self._refusal or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise Broken(Failure.REFUSED, os.strerror(error))
        context = self.endpoint.tls
        if context is not None and not self._shake_hands(context):
            return
        self.established = True
        self.expires = now + self.endpoint.timeout
        self._watch(READ)
        self._flush()

    def _shake_hands(self, context: ssl.SSLContext) -> bool:
        try:
            if self._tls is None:
                self._socket = self._tls = context.wrap_socket(
                    self._socket,
                    server_hostname=self.endpoint.name,
                    session=self.endpoint.session,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(READ)
            return False
        except ssl.SSLWantWriteError:
            self._watch(WRITE)
            return False
        except ssl.SSLCertVerificationError as exc:
            raise Broken(Failure.UNTRUSTED, exc.verify_message) from exc
        except OSError as exc:
            raise Broken(Failure.RESET, str(exc)) from exc
        return True

    def _flush(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except _LATER:
            pass
        except OSError:
            self._watch(READ)  # the peer has closed; it may have sent a response first
            return
        if self._unsent or self._events != READ:
            self._watch(READ | WRITE if self._unsent else READ)

    def _receive(self) -> Response | None:
        try:
            while data := self._socket.recv(_RECEIVE):
                if self._reader is None:
                    if response := usual(data):
                        return response
                    self._reader = Reader(self.endpoint.max_body)
                if response := self._reader.feed(data):
                    return response
                if self._tls is None and len(data) < _RECEIVE:
                    return None
        except _LATER:
            return None
        except Malformed as exc:
            raise Broken(Failure.MALFORMED, str(exc)) from exc
        except OSError as exc:
            raise Broken(Failure.RESET, str(exc)) from exc
        if self._reader is not None and (response := self._reader.end()):
            return response
        raise Broken(Failure.RESET, "closed by the peer")

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._poller.modify(self.fd, events)
            self._events = events


def new_poller() -> "select.epoll":
    """Return an epoll object, or one with the same methods."""
    return cast("select.epoll", select.epoll() if hasattr(select, "epoll") else _Poll())


class _Poll:
    """select.poll with timeouts in seconds, as epoll has them."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll.poll(timeout * 1000)

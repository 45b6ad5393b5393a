"""Loads a file from a provider: the only requests of Herald whose address comes from outside.

Every address, also that of each redirect, must be on the provider's list of hosts
(providers/hosts.py) and lead to the public internet (resolving.py). The body is read in pieces of
limited size, is never decompressed, and must be exactly as long as announced.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from chalicelib.engine.endpoint import trust
from chalicelib.errors import CopyFailed
from chalicelib.outputs.resolving import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.outputs.resolving import Lookup, SocketAddress
    from chalicelib.providers.hosts import Address, Hosts

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0  # without a byte
PIECE_BYTES = 256 * 1024
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = 410  # other refusals may be temporary: a new file can be missing at first
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Resume(NamedTuple):
    """Where a copy goes on: the bytes that it has, and the source as it was."""

    offset: int
    validator: str
    length: int


class Fetched:
    """The body of a file, which is read once, with `read`.

    Parameters
    ----------
    offset
        The number of the first byte: that of the Resume, or 0 if the file must be read anew.
    length
        The size of the whole file in bytes, or None if it is not announced.
    validator
        The strong ETag or the modification date, which stays the same while the file does; or
        empty.
    """

    def __init__(
        self,
        connection: _Pinned,
        response: http.client.HTTPResponse,
        offset: int,
        length: int | None,
        deadline: float,
    ) -> None:
        self._connection = connection
        self._response = response
        self._deadline = deadline
        self.offset = offset
        self.length = length
        self.validator = _validator(response)
        self.content_type = (response.getheader("content-type") or "").partition(";")[0].strip()
        self._at = offset

    def read(self, size: int = PIECE_BYTES) -> bytes:
        """Return the next bytes, at most `size`; nothing at the end of the file.

        Raises
        ------
        CopyFailed
            The source failed, was too slow, or ended early.
        """
        _wait_at_most(self._connection, self._deadline)
        if self.length is not None and not self._response.chunked:
            size = min(size, self.length - self._at)
        try:
            piece = self._response.read1(size) if size else b""
        except _BROKEN as exc:
            raise _interrupted(exc, self._deadline) from exc
        self._at += len(piece)
        if not piece and self.length is not None and self._at != self.length:
            raise CopyFailed("interrupted", f"{self._at} of {self.length} bytes")
        return piece

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()


_BROKEN = (OSError, http.client.HTTPException, ValueError)


class Fetcher:
    """Loads files.

    Parameters
    ----------
    most
        The maximum size of a file in bytes.
    lookup
        Looks up a host, as socket.getaddrinfo does.
    """

    def __init__(self, most: int, lookup: Lookup = socket.getaddrinfo) -> None:
        self._most = most
        self._lookup = lookup

    def open(
        self,
        url: str,
        hosts: Hosts,
        *,
        deadline: float,
        resume: Resume | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Open a file.

        Parameters
        ----------
        headers
            Headers for the first host only, such as an API key: no redirect takes them along.
        resume
            If the source is still the same and can send a part of the file, it is read from there.

        Raises
        ------
        CopyFailed
            The address is not allowed, or the source does not serve the file.
        """
        first: Address | None = None
        for _ in range(MAX_REDIRECTS + 1):
            address = _allowed(hosts, url)
            first = first or address
            own = headers if first[:3] == address[:3] else None  # the same scheme, host and port
            connection = self._connect(address, deadline)
            response: http.client.HTTPResponse | None = None
            try:
                response = _ask(connection, address, _sent(own, resume), deadline)
                if response.status not in _REDIRECTS:
                    return self._fetched(connection, response, resume, deadline)
            except BaseException:
                _close(connection, response)
                raise
            _close(connection, response)
            url = urljoin(url, response.getheader("location") or "")
        raise CopyFailed("too_many_redirects", f"more than {MAX_REDIRECTS}", permanent=True)

    def _connect(self, address: Address, deadline: float) -> _Pinned:
        failure: Exception | None = None
        for where in resolve(address, self._lookup):
            _out_of_time_after(deadline)
            connection: _Pinned | None = None
            try:
                connection = _Pinned(address, where)
                connection.connect()
            except OSError as exc:
                if connection is not None:
                    connection.close()
                failure = exc
            else:
                return connection
        raise CopyFailed("unreachable", type(failure).__name__) from failure

    def _fetched(
        self,
        connection: _Pinned,
        response: http.client.HTTPResponse,
        resume: Resume | None,
        deadline: float,
    ) -> Fetched:
        status = response.status
        if status not in (200, 206):
            raise CopyFailed("refused", f"status {status}", permanent=status == _GONE)
        coding = response.getheader("content-encoding") or "identity"
        if coding != "identity":  # it could be a decompression bomb, and was not asked for
            raise CopyFailed("compressed", "the source sent a compressed body", permanent=True)
        offset, length = 0, response.length
        if status == 206:
            offset, length = _resumed(response, resume)
        if length is None and not response.chunked:
            raise CopyFailed("no_length", "the source does not say where the file ends")
        if length is not None and length > self._most:
            raise CopyFailed("too_large", f"over {self._most} bytes", permanent=True)
        return Fetched(connection, response, offset, length, deadline)


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked; the name is used for TLS and the Host header."""

    def __init__(self, address: Address, where: SocketAddress) -> None:
        super().__init__(address.host, address.port, timeout=CONNECT_SECONDS)
        self.default_port = 443 if address.scheme == "https" else 80  # not in the Host header
        self._tls = trust(address.host) if address.scheme == "https" else None
        self._family, self._where = where
        # http.client forgets the socket once it has the head of the last response.
        self.wire = socket.socket(self._family, socket.SOCK_STREAM)

    def connect(self) -> None:
        self.wire.settimeout(CONNECT_SECONDS)
        self.wire.connect(self._where)
        if self._tls is not None:
            # a cut connection must not look like the end of the body
            self.wire = self._tls.wrap_socket(
                self.wire, server_hostname=self.host, suppress_ragged_eofs=False
            )
        self.sock = self.wire

    def close(self) -> None:
        super().close()
        self.wire.close()


def _allowed(hosts: Hosts, url: str) -> Address:
    address = hosts.read(url)
    if address is None:
        reason = "the host is not on the provider's list"
        raise CopyFailed("host_not_allowed", reason, permanent=True)
    return address


def _sent(headers: Mapping[str, str] | None, resume: Resume | None) -> dict[str, str]:
    sent = {**(headers or {}), "accept": "*/*", "accept-encoding": "identity"}
    sent["user-agent"] = "Herald"
    if resume is not None and resume.validator:
        sent |= {"range": f"bytes={resume.offset}-", "if-range": resume.validator}
    return sent


def _ask(
    connection: _Pinned, address: Address, sent: Mapping[str, str], deadline: float
) -> http.client.HTTPResponse:
    _wait_at_most(connection, deadline)
    try:
        connection.request("GET", address.target, headers=dict(sent))
        return connection.getresponse()
    except _BROKEN as exc:
        raise _interrupted(exc, deadline) from exc


def _wait_at_most(connection: _Pinned, deadline: float) -> None:
    connection.wire.settimeout(min(READ_SECONDS, _out_of_time_after(deadline)))


def _interrupted(exc: Exception, deadline: float) -> CopyFailed:
    _out_of_time_after(deadline)
    return CopyFailed("interrupted", type(exc).__name__)


def _out_of_time_after(deadline: float) -> float:
    """Return the seconds that are left; raises CopyFailed if there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise CopyFailed("out_of_time", "the time for the copy ran out")
    return left


def _close(connection: _Pinned, response: http.client.HTTPResponse | None) -> None:
    if response is not None:
        response.close()
    connection.close()


def _resumed(response: http.client.HTTPResponse, resume: Resume | None) -> tuple[int, int]:
    found = _RANGE.fullmatch(response.getheader("content-range") or "")
    if found is None or resume is None:
        raise CopyFailed("wrong_range", "the source sent a part that was not asked for")
    start, last, length = map(int, found.groups())
    wanted = (resume.offset, resume.length - 1, resume.length)
    if (start, last, length) != wanted or _validator(response) != resume.validator:
        raise CopyFailed("wrong_range", "the source sent another part of the file")
    return start, length


def _validator(response: http.client.HTTPResponse) -> str:
    tag = response.getheader("etag") or ""
    if tag.startswith('"') and tag.endswith('"') and len(tag) <= 200:
        return tag
    date = response.getheader("last-modified") or ""
    return date if len(date) <= 40 else ""

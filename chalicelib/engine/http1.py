"""An incremental parser for HTTP/1.1 responses (RFC 9112), with size limits.

It is strict, and it is fast for small responses.
"""

import re
from enum import StrEnum

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024  # more than any answer of the services called
MAX_FRAMING = 8  # bytes that may arrive per byte of the largest body, including chunk sizes

_FRAMING = re.compile(rb"\r\n(connection|content-length|transfer-encoding):[ \t]*([^\r]*)")
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_BODILESS = (204, 304)
_HEXADECIMAL = b"0123456789abcdefABCDEF"
# The usual response has exactly one header that determines its length: Content-Length. All other
# header lines must be harmless: they start with a different letter than the headers that determine
# the length, or they are Content-Type or `Connection: keep-alive`. Each line can match in only one
# way, so matching takes linear time.
_LINES = rb"(?:(?:[^CcTt\r]|[Cc]ontent-[Tt]ype:)[^\r]*+\r\n|[Cc]onnection: keep-alive\r\n)*+"
_USUAL = re.compile(
    rb"HTTP/1\.1 (200|410) [^\r]*+\r\n%b[Cc]ontent-[Ll]ength: (\d{1,7})\r\n%b\r\n"
    % (_LINES, _LINES)
).match


class Malformed(ValueError):
    """The received bytes are not a valid HTTP/1.1 response; the message says why."""


class Failure(StrEnum):
    """The reason why a request has no response."""

    DEADLINE = "deadline"  # the run reached its deadline
    MALFORMED = "malformed"  # the response was not valid HTTP/1.1
    REFUSED = "refused"  # the host did not accept a connection
    RESET = "reset"  # the connection broke
    TIMEOUT = "timeout"
    UNRESOLVED = "unresolved"  # the host has no address
    UNTRUSTED = "untrusted"  # the certificate is not valid for the host


class Response:  # noqa: PLW1641 - mutable
    """The result of a request.

    `status` is 0 if there was no response. `failure` then has the kind of failure, and `reason`
    describes it with details. `reusable` says whether the connection can carry another request.
    """

    __slots__ = ("_head", "body", "failure", "reason", "reusable", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        reason: str = "",
        reusable: bool = True,
        head: bytes = b"",
    ) -> None:
        self.status = status
        self.body = body
        self.reason = reason
        self.reusable = reusable
        self.failure: Failure | None = None
        self._head = head  # lower-cased, each line terminated by CRLF

    @classmethod
    def failed(cls, failure: Failure, detail: str = "") -> "Response":
        """Return the result of a request that received no response."""
        response = cls(0, b"", f"{failure}: {detail}" if detail else str(failure))
        response.failure = failure
        return response

    def __eq__(self, other: object) -> bool:
        mine = (self.status, self.body, self.reason)
        return isinstance(other, Response) and mine == (other.status, other.body, other.reason)

    def __repr__(self) -> str:
        return f"Response({self.status}, {self.body!r}, {self.reason!r})"

    def header(self, name: str) -> str | None:
        """Return a header's value in lower case; of repeated headers, the first value."""
        found = re.search(rb"\r\n%b:[ \t]*([^\r]*)" % re.escape(name.encode()), self._head)
        return found[1].rstrip().decode("latin-1") if found else None


def usual(data: bytes) -> Response | None:
    """Return the response if it is complete and has the most frequent form, else None.

    This takes a third of the time of `Reader`. The result is the same, except that it has no
    headers. If the result is None, the caller must use `Reader`, which accepts every form.
    """
    found = _USUAL(data)
    if found is None:
        return None
    status, length = found.groups()
    end = found.end()
    if len(data) - end != int(length):
        return None
    return Response(int(status), data[end:])


class Reader:
    """Reads one response from chunks of bytes, in the order in which they arrive."""

    __slots__ = (
        "_chunked",
        "_head",
        "_left",
        "_length",
        "_max_body",
        "_parts",
        "_rest",
        "_reusable",
        "_size",
        "_status",
    )

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._left = MAX_HEAD + MAX_FRAMING * max_body  # bytes that may still arrive
        self._status = 0  # until the head is complete
        self._reusable = True
        self._head = b""
        self._rest = b""  # incomplete head or incomplete chunk
        self._chunked = False
        self._length: int | None = None  # None: the body ends when the connection closes
        self._parts: list[bytes] = []  # of the body
        self._size = 0

    @property
    def started(self) -> bool:
        """Whether any byte has arrived."""
        return bool(self._head or self._rest)

    def feed(self, data: bytes) -> Response | None:
        """Process received bytes; return the response once it is complete.

        Raises
        ------
        Malformed
            The response is not valid HTTP/1.1 or exceeds a size limit.
        """
        self._left -= len(data)
        if self._left < 0:  # the only limit on the total of interim responses and chunk extensions
            raise Malformed("the response is too large")
        while self._status == 0:
            if self._rest:
                data = self._rest + data
            head, end, body = data.partition(b"\r\n\r\n")
            if len(head) > MAX_HEAD:
                raise Malformed("the head is too large")
            if not end:
                if not data.startswith(b"HTTP/1."[: len(data)]):
                    raise Malformed("not HTTP/1.1")
                self._rest = data
                return None
            self._rest = b""
            self._read_head(head + b"\r\n")
            data = body
        complete = self._feed_chunks(data) if self._chunked else self._feed_body(data)
        return self._response() if complete else None

    def end(self) -> Response | None:
        """Handle the closed connection; return the response if its body ends at this point."""
        self._reusable = False
        ended = self._status and not self._chunked and self._length is None
        return self._response() if ended else None

    def _response(self) -> Response:
        body = b"".join(self._parts)
        return Response(self._status, body, "", self._reusable, self._head)

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(_VERSIONS) or not head[9:12].isdigit():
            raise Malformed("not HTTP/1.1")
        status = int(head[9:12])
        if status < 200:
            return  # an interim response such as 100 Continue; the final response follows
        self._status = status
        self._head = head = head.lower()
        found = _FRAMING.findall(head)
        # Connection is a list, so it may appear on several lines (RFC 9110, 5.3). The other headers
        # that determine the length must not be repeated.
        connection = b",".join([value for name, value in found if name == b"connection"])
        framing = [(name, value) for name, value in found if name != b"connection"]
        fields = dict(framing)
        if len(fields) < len(framing):
            raise Malformed("a header twice")
        length = fields.get(b"content-length")
        coding = fields.get(b"transfer-encoding")
        self._reusable = head[7:8] == b"1" and b"close" not in connection
        if status in _BODILESS:
            self._length = 0
        elif coding is not None:
            if coding.rstrip() != b"chunked":
                raise Malformed("an unknown transfer coding")
            self._chunked = True
            self._reusable = self._reusable and length is None
        elif length is not None:
            if not length.rstrip().isdigit():
                raise Malformed("not one content length")
            self._length = int(length)
            self._check_size(self._length)

    def _check_size(self, size: int) -> None:
        if size > self._max_body:
            raise Malformed("the body is too large")

    def _feed_body(self, data: bytes) -> bool:
        self._parts.append(data)
        self._size += len(data)
        if self._length is None:
            self._check_size(self._size)
            return False
        # more bytes than announced, so the connection is not used again
        if self._size > self._length:
            self._reusable = False
            self._parts[-1] = data[: self._length - self._size]
        return self._size >= self._length

    def _feed_chunks(self, data: bytes) -> bool:
        data = self._rest + data
        at = size = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = _chunk_size(data[at:end])
            if size == 0:
                stop = data.find(b"\r\n\r\n", end)  # trailers may come before the empty line
                if stop < 0:
                    break
                self._reusable = self._reusable and stop + 4 == len(data)
                return True
            self._check_size(self._size + size)
            start, stop = end + 2, end + 2 + size
            if len(data) < stop + 2:
                break
            if data[stop : stop + 2] != b"\r\n":
                raise Malformed("a chunk longer than its size")
            self._parts.append(data[start:stop])
            self._size += size
            at, size = stop + 2, 0
        if len(data) - at > size + MAX_HEAD:
            raise Malformed("chunk extensions or trailers are too large")
        self._rest = data[at:]
        return False


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip()
    if not digits or len(digits) > 8 or digits.translate(None, _HEXADECIMAL):
        raise Malformed("not a chunk size")
    return int(digits, 16)

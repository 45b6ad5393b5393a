"""HTTP/1.1 responses read as their bytes come (RFC 9112): strict, bounded, quick for small ones."""

import re
from enum import StrEnum

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024  # more than any answer of the services called
MAX_FRAMING = 8  # bytes received for each byte of the largest body, with chunk sizes and the like

_FRAMING = re.compile(rb"\r\n(connection|content-length|transfer-encoding):[ \t]*([^\r]*)")
_VERSIONS = (b"HTTP/1.1 ", b"HTTP/1.0 ")
_BODILESS = (204, 304)
_HEXADECIMAL = b"0123456789abcdefABCDEF"
# The usual answer: one Content-Length; of the lines whose first letter is that of a framing header
# only harmless ones. Each line matches in one way only, so this takes linear time.
_LINES = rb"(?:(?:[^CcTt\r]|[Cc]ontent-[Tt]ype:)[^\r]*+\r\n|[Cc]onnection: keep-alive\r\n)*+"
_USUAL = re.compile(
    rb"HTTP/1\.1 (200|410) [^\r]*+\r\n%b[Cc]ontent-[Ll]ength: (\d{1,7})\r\n%b\r\n"
    % (_LINES, _LINES)
).match


class Malformed(ValueError):
    """What came is not an acceptable HTTP/1.1 response; the message says why."""


class Failure(StrEnum):
    """Why a request has no answer."""

    DEADLINE = "deadline"  # the run was over
    MALFORMED = "malformed"  # the answer was not acceptable HTTP/1.1
    REFUSED = "refused"  # no connection was accepted
    RESET = "reset"  # the connection broke
    TIMEOUT = "timeout"
    UNRESOLVED = "unresolved"  # the host has no address
    UNTRUSTED = "untrusted"  # the certificate is not valid for the host


class Response:  # noqa: PLW1641 - mutable
    """The result of a request.

    `status` is 0 when no answer came: `failure` then says why, and `reason` says it as text with
    the particulars. `reusable` says whether the connection can carry another request.
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
        """Return the result of a request that got no answer."""
        response = cls(0, b"", f"{failure}: {detail}" if detail else str(failure))
        response.failure = failure
        return response

    def __eq__(self, other: object) -> bool:
        mine = (self.status, self.body, self.reason)
        return isinstance(other, Response) and mine == (other.status, other.body, other.reason)

    def __repr__(self) -> str:
        return f"Response({self.status}, {self.body!r}, {self.reason!r})"

    def header(self, name: str) -> str | None:
        """A header's value, lower-cased; the first of several."""
        found = re.search(rb"\r\n%b:[ \t]*([^\r]*)" % re.escape(name.encode()), self._head)
        return found[1].rstrip().decode("latin-1") if found else None


def usual(data: bytes) -> Response | None:
    """Return the response if it is all there and of the most frequent form, without its headers.

    What the Reader would return, in a third of its time; None says nothing but "ask the Reader".
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
    """Reads one response, fed with what arrives until it is complete."""

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
        self._rest = b""  # of the head or of a chunk, still incomplete
        self._chunked = False
        self._length: int | None = None  # None: the body ends with the connection
        self._parts: list[bytes] = []  # of the body
        self._size = 0

    @property
    def started(self) -> bool:
        """Whether any byte arrived."""
        return bool(self._head or self._rest)

    def feed(self, data: bytes) -> Response | None:
        """Take what arrived; return the response when it is complete.

        Raises
        ------
        Malformed
            The response is not HTTP/1.1 or is larger than the bounds.
        """
        self._left -= len(data)
        if self._left < 0:  # interim responses and chunk extensions have no other limit together
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
        """The peer closed; return the response if that completes it."""
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
            return  # 100 Continue and its like: the real one follows
        self._status = status
        self._head = head = head.lower()
        found = _FRAMING.findall(head)
        # Connection is a list, which may be spread over lines (RFC 9110, 5.3); the others are not.
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
        if self._size > self._length:  # more than announced: the connection cannot be trusted
            self._reusable = False
            self._parts[-1] = data[: self._length - self._size]
        return self._size >= self._length

    def _feed_chunks(self, data: bytes) -> bool:
        data = self._rest + data
        at = size = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = _chunk_size(data[at:end])
            if size == 0:
                stop = data.find(b"\r\n\r\n", end)  # trailers may come before it
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

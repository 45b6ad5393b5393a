"""One S3 bucket, called through the engine: single objects, multipart uploads, presigned URLs.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, unescape

from chalicelib.aws.s3_signing import S3Signer, encoded
from chalicelib.aws.service import service_url
from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.engine.sigv4 import credentials, quote
from chalicelib.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PART_BYTES = 8 * 1024 * 1024  # of all parts but the last; S3 takes at least 5 MiB
MAX_PARTS = 10_000
CALL_SECONDS = 30.0  # for one request; CompleteMultipartUpload can take long
NO_SUCH_UPLOAD = "NoSuchUpload"
NO_SUCH_KEY = "NoSuchKey"

_PATH = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
_PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")
_ENTITIES = {"&quot;": '"', "&#34;": '"'}


class Part(NamedTuple):
    """An uploaded part, with its number from 1, its ETag, and its size in bytes."""

    number: int
    etag: str
    size: int


class Bucket:
    """One bucket of the process's Region.

    Every method that calls S3 may raise ServiceError, whose code is S3's. `deadline` is a value of
    time.monotonic().
    """

    def __init__(
        self,
        engine: Engine,
        environ: Mapping[str, str],
        name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._clock = clock
        region = environ["AWS_REGION"]
        url = service_url("s3", "S3", environ)
        if url.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            scheme, _, host = url.partition("://")
            url, self._base = f"{scheme}://{name}.{host}", ""
        else:  # an emulator or a VPC endpoint: the bucket is in the path
            self._base = f"/{name}"
        self._url = url
        # without a service: this module signs, because S3's signature is different
        self._endpoint = Endpoint(url, timeout=CALL_SECONDS)
        self._signer = S3Signer(self._endpoint.host, region)

    def presigned(self, key: str, seconds: int) -> str:
        """Return a URL from which anybody can load an object for some seconds.

        It also stops working when the credentials of this process expire.
        """
        path = self._path(key)
        query = self._signer.presigned_query(
            "GET", path, credentials(), int(self._clock()), seconds
        )
        return f"{self._url}{path}?{query}"

    def put(self, key: str, body: bytes, headers: Mapping[str, str], *, deadline: float) -> None:
        """Store an object; `headers` are its Content-Type and similar ones."""
        self._done("PUT", key, [], headers, body, deadline)

    def begin(self, key: str, headers: Mapping[str, str], *, deadline: float) -> str:
        """Begin a multipart upload and return its id."""
        answer = self._done("POST", key, [("uploads", "")], headers, b"", deadline)
        return _text(answer.body, "UploadId")

    def put_part(
        self, key: str, upload_id: str, number: int, body: bytes, *, deadline: float
    ) -> None:
        """Upload a part; a part that is uploaded again is replaced."""
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        self._done("PUT", key, query, {}, body, deadline)

    def parts(self, key: str, upload_id: str, *, deadline: float) -> list[Part]:
        """Return the uploaded parts in the order of their numbers."""
        found: list[Part] = []
        marker = "0"
        while True:
            query = [("part-number-marker", marker), ("uploadId", upload_id)]
            answer = self._done("GET", key, query, {}, b"", deadline).body
            found += [_part(text) for text in _PART.findall(answer.decode())]
            if _text(answer, "IsTruncated") != "true":
                return sorted(found)
            marker = _text(answer, "NextPartNumberMarker")

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], *, deadline: float) -> None:
        """Make the parts one object."""
        listed = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
            for part in parts
        )
        body = (
            '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{listed}</CompleteMultipartUpload>"
        )
        headers = {"content-type": "application/xml"}
        query = [("uploadId", upload_id)]
        answer = self._done("POST", key, query, headers, body.encode(), deadline)
        if b"<Error>" in answer.body:  # S3 may begin its answer with 200 and fail later
            raise ServiceError("s3", answer.status, _text(answer.body, "Code"))

    def abort(self, key: str, upload_id: str, *, deadline: float) -> None:
        """Give up a multipart upload and delete its parts; nothing happens if there is none."""
        answer = self._call("DELETE", key, [("uploadId", upload_id)], {}, b"", deadline)
        if answer.status not in (200, 204, 404):
            raise _error(answer)

    def size(self, key: str, *, deadline: float) -> int | None:
        """Return an object's size in bytes, or None if there is no such object."""
        answer = self._call("GET", key, [], {"range": "bytes=0-0"}, b"", deadline)
        if answer.status == 404:
            return None
        found = _TOTAL.fullmatch(answer.header("content-range") or "")
        if answer.status != 206 or found is None:
            raise _error(answer)
        return int(found[1])

    def delete(self, key: str, *, deadline: float) -> None:
        """Delete an object; nothing happens if there is none."""
        answer = self._call("DELETE", key, [], {}, b"", deadline)
        if answer.status not in (200, 204, 404):
            raise _error(answer)

    def _path(self, key: str) -> str:
        return f"{self._base}/{quote(key, _PATH)}"

    def _done(
        self,
        method: str,
        key: str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> Response:
        answer = self._call(method, key, query, headers, body, deadline)
        if answer.status != 200:
            raise _error(answer)
        return answer

    def _call(
        self,
        method: str,
        key: str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> Response:
        path, pairs = self._path(key), list(query)
        signed = self._signer.headers(
            method, path, pairs, headers, body, credentials(), int(self._clock())
        )
        target = f"{path}?{encoded(pairs)}" if pairs else path
        if method in ("POST", "PUT") and not body:
            signed["content-length"] = "0"
        request = Request(self._endpoint, method, target, body, tuple(signed.items()))
        limit = min(deadline, time.monotonic() + CALL_SECONDS)
        return self._engine.call_all([request], limit)[0]


def _text(answer: bytes, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", answer.decode(errors="replace"))
    return unescape(found[1], _ENTITIES) if found else ""


def _part(text: str) -> Part:
    raw = text.encode()
    return Part(int(_text(raw, "PartNumber")), _text(raw, "ETag"), int(_text(raw, "Size")))


def _error(answer: Response) -> ServiceError:
    code = _text(answer.body, "Code") if answer.status else answer.reason
    return ServiceError("s3", answer.status, code or answer.reason or f"HTTP {answer.status}")

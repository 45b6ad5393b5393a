"""Signature Version 4 as S3 uses it: in the header, or in the query of a presigned URL.

Unlike other services, S3 signs the path as it is sent, and needs the hash of the body in a header.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from chalicelib.engine.sigv4 import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.engine.sigv4 import Credentials

    Query = Iterable[tuple[str, str]]

ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class S3Signer:
    """Signs requests to one host in one Region; paths are already percent-encoded."""

    def __init__(self, host: str, region: str) -> None:
        self._host = host
        self._region = region

    def headers(
        self,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        body: bytes,
        credentials: Credentials,
        second: int,
    ) -> dict[str, str]:
        """Return the headers to send, besides Host: those given, and the signature's."""
        date, scope = self._when(second)
        digest = sha256(body).hexdigest()
        sent = {**headers, "x-amz-content-sha256": digest, "x-amz-date": date}
        if credentials.token:
            sent["x-amz-security-token"] = credentials.token
        signed = {"host": self._host, **{name.lower(): value for name, value in sent.items()}}
        canonical = _canonical(method, path, encoded(query), signed, digest)
        signature = self._signature(canonical, credentials, date, scope)
        names = ";".join(sorted(signed))
        sent["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def presigned_query(
        self, method: str, path: str, credentials: Credentials, second: int, lifetime: int
    ) -> str:
        """Return the query of a URL that is valid for `lifetime` seconds."""
        date, scope = self._when(second)
        fields = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{credentials.access_key}/{scope}"),
            ("X-Amz-Date", date),
            ("X-Amz-Expires", str(lifetime)),
            ("X-Amz-SignedHeaders", "host"),
        ]
        if credentials.token:
            fields.append(("X-Amz-Security-Token", credentials.token))
        query = encoded(fields)
        canonical = _canonical(method, path, query, {"host": self._host}, _UNSIGNED)
        return f"{query}&X-Amz-Signature={self._signature(canonical, credentials, date, scope)}"

    def _when(self, second: int) -> tuple[str, str]:
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return date, f"{date[:8]}/{self._region}/s3/aws4_request"

    def _signature(self, canonical: str, credentials: Credentials, date: str, scope: str) -> str:
        digest = sha256(canonical.encode()).hexdigest()
        key = f"AWS4{credentials.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = f"{ALGORITHM}\n{date}\n{scope}\n{digest}"
        return hmac.digest(key, text.encode(), "sha256").hex()


def encoded(query: Query) -> str:
    """Return a query string in the canonical form: sorted, with every value encoded."""
    pairs = sorted((quote(name), quote(value)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _canonical(method: str, path: str, query: str, headers: Mapping[str, str], payload: str) -> str:
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(sorted(headers))}\n{payload}"

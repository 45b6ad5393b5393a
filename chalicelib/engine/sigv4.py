"""AWS Signature Version 4, optimized for many small requests to few endpoints.

Intermediate results are cached. The signing key is kept for a day. The parts that contain the time
are kept for a second.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import os
import time
from hashlib import sha256
from typing import NamedTuple

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH = _UNRESERVED + b"/"
_BYTES = [bytes((byte,)) for byte in range(256)]
_ESCAPES = [b"%%%02X" % byte for byte in range(256)]
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

Headers = tuple[tuple[str, str], ...]


class Credentials(NamedTuple):
    """An access key. Temporary credentials also have a session token."""

    access_key: str
    secret_key: str
    token: str | None


def credentials(known: Credentials | None = None) -> Credentials:
    """Return the credentials from the environment variables, which Lambda sets for the function's
    role.

    If they are equal to `known`, it is returned. The signer then keeps what it has computed.
    """
    environ = os.environ
    found = Credentials(
        environ["AWS_ACCESS_KEY_ID"],
        environ["AWS_SECRET_ACCESS_KEY"],
        environ.get("AWS_SESSION_TOKEN") or None,
    )
    return known if known is not None and found == known else found


def quote(text: str, safe: bytes = _UNRESERVED) -> str:
    """Percent-encode all characters except the safe ones, by default the unreserved ones of RFC
    3986.
    """
    raw = text.encode()
    if unsafe := raw.translate(None, safe):
        raw = raw.replace(b"%", b"%25")  # first, because the other replacements add percent signs
        for byte in set(unsafe.replace(b"%", b"")):
            raw = raw.replace(_BYTES[byte], _ESCAPES[byte])
    return raw.decode()


class _Block(NamedTuple):
    """The common parts of all requests in one second with the same method and headers."""

    signed: str  # start of the canonical request, up to the path
    signed_after: str  # canonical headers and the list of signed headers
    sent: str  # start of the request, up to the path
    sent_after: str  # rest of the request's head, up to the signature


class Signer:
    """Builds signed requests to one service in one Region, on one host and below one base path."""

    def __init__(self, service: str, region: str, host: str, base: str = "") -> None:
        self._service = service
        self._region = region
        self._host = host
        self._base = base
        self._second = -1
        self._day = ""
        self._credentials: Credentials | None = None
        self._inner = self._outer = sha256()
        self._amz_date = ""
        self._scope = ""
        self._to_sign = ""
        self._blocks: dict[tuple[str, Headers], _Block] = {}

    def request(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
        credentials: Credentials,
        second: int,
    ) -> bytes:
        """Return the bytes of a signed request.

        Parameters
        ----------
        path
            The path below the base path: unreserved characters, slashes and percent-encoded bytes.
            For the signature it is encoded a second time, as every service except S3 requires.
        headers
            Further headers, sent and signed in addition to Host, X-Amz-Date and
            X-Amz-Security-Token.
        second
            The time of the request, in epoch seconds.
        """
        if second != self._second or credentials is not self._credentials:
            self._begin(second, credentials)
        block = self._blocks.get((method, headers))
        if block is None:
            block = self._blocks[method, headers] = self._block(method, headers, credentials)
        signed, signed_after, sent, sent_after = block
        encoded = path.replace("%", "%25")
        canonical = f"{signed}{encoded}{signed_after}{sha256(body).hexdigest()}"
        digest = sha256(canonical.encode()).hexdigest()
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{self._to_sign}{digest}".encode())
        outer.update(inner.digest())
        head = f"{sent}{path}{sent_after}{outer.hexdigest()}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _begin(self, second: int, credentials: Credentials) -> None:
        """Compute the cached parts for a new second or new credentials."""
        self._amz_date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = self._amz_date[:8]
        self._scope = f"{day}/{self._region}/{self._service}/aws4_request"
        self._to_sign = f"AWS4-HMAC-SHA256\n{self._amz_date}\n{self._scope}\n"
        if day != self._day or credentials != self._credentials:
            key = f"AWS4{credentials.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            # HMAC, with the inner and outer block of the key hashed in advance (RFC 2104, section
            # 4).
            self._inner = sha256(key.ljust(64, b"\0").translate(_INNER))
            self._outer = sha256(key.ljust(64, b"\0").translate(_OUTER))
        self._blocks.clear()
        self._second, self._day, self._credentials = second, day, credentials

    def _block(self, method: str, headers: Headers, credentials: Credentials) -> _Block:
        sent = [("Host", self._host), ("X-Amz-Date", self._amz_date), *headers]
        if credentials.token:
            sent.append(("X-Amz-Security-Token", credentials.token))
        signed: dict[str, list[str]] = {}
        for name, value in sent:
            if "\r" in (line := name + value) or "\n" in line:
                raise ValueError(f"a line break in the header {name!r}")
            signed.setdefault(name.lower(), []).append(" ".join(value.split()))
        names = ";".join(sorted(signed))
        canonical = "".join(f"{name}:{','.join(signed[name])}\n" for name in sorted(signed))
        wire = "".join(f"{name}: {value}\r\n" for name, value in sent)
        return _Block(
            signed=f"{method}\n{quote(self._base, _PATH)}",
            signed_after=f"\n\n{canonical}\n{names}\n",
            sent=f"{method} {self._base}",
            sent_after=f" HTTP/1.1\r\n{wire}Authorization: AWS4-HMAC-SHA256 "
            f"Credential={credentials.access_key}/{self._scope}, "
            f"SignedHeaders={names}, Signature=",
        )

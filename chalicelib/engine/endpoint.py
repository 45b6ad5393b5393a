"""An AWS endpoint: its addresses, TLS certificates, rate limit and signature."""

import os
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.engine.http1 import MAX_BODY
from chalicelib.engine.sigv4 import Signer

if TYPE_CHECKING:
    from chalicelib.engine.unsigned import Unsigned

CONNECT_TIMEOUT = 1.0
TIMEOUT = 3.0
ADDRESS_LIFE = 30.0

Address = tuple[socket.AddressFamily, tuple[object, ...]]


def throttled_or_failing(status: int, body: bytes) -> bool:
    """Whether a response with this status is worth a retry."""
    return status == 429 or status >= 500


class TokenBucket:
    """A token bucket that limits requests, as API Gateway's own does.

    A permit allows one request. The bucket fills at a steady rate. By default, it holds the permits
    of half a second at most, which limits bursts.

    Each refusal by the service (status 429) lowers `pace`, the current rate, by a tenth. Each other
    response raises `pace` by a hundredth of `rate`, the configured rate. A few refusals because of
    one slow client therefore have little effect, but an exhausted quota quickly lowers `pace`.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate  # permits per second
        self.pace = rate  # the same, after refusals
        self._burst = max(1.0, rate / 2) if burst is None else burst
        self._permits = self._burst
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take a permit and return 0, or return the seconds until a permit is available."""
        if now > self._at:
            self._permits = min(self._burst, self._permits + (now - self._at) * self.pace)
            self._at = now
        if self._permits >= 1:
            self._permits -= 1
            return 0.0
        return (1 - self._permits) / self.pace

    def answered(self, *, refused: bool) -> None:
        if refused:
            self.pace = max(self.rate / 20, self.pace * 0.9)
        elif self.pace < self.rate:
            self.pace = min(self.rate, self.pace + self.rate / 100)


class Endpoint:
    """An endpoint of an AWS service, or of a host outside AWS.

    Parameters
    ----------
    url
        Scheme, host, and the path that every request's path is appended to.
    service, region
        The names used in signatures, such as "execute-api" and "eu-central-1". Without a service,
        requests are not signed: no host outside AWS may see the function's credentials.
    max_connections
        The maximum number of open connections, and so of concurrent requests.
    rate
        The maximum number of requests per second; None for no limit.
    connect_timeout, timeout
        Time limits in seconds. The first is for opening the connection, including the TLS
        handshake. The second is for the whole response.
    retryable
        Decides by a response's status and body whether to send the request again.
    max_body
        Maximum size of a response's body, in bytes.
    """

    def __init__(
        self,
        url: str,
        service: str = "",
        region: str = "",
        *,
        max_connections: int = 128,
        rate: float | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        timeout: float = TIMEOUT,
        retryable: Callable[[int, bytes], bool] = throttled_or_failing,
        max_body: int = MAX_BODY,
    ) -> None:
        scheme, separator, rest = url.partition("://")
        if scheme not in ("http", "https") or not separator:
            raise ValueError(f"not an http or https URL: {url!r}")
        self.host, _, path = rest.partition("/")
        name, colon, port = self.host.rpartition(":")
        if not colon or self.host.endswith("]"):  # no port is given; an IPv6 address is in brackets
            name, port = self.host, "443" if scheme == "https" else "80"
        self.name = name.strip("[]")
        self._port = int(port)
        self.tls = trust(self.name) if scheme == "https" else None
        # TLS session of the last connection, which shortens the next handshake
        self.session: ssl.SSLSession | None = None
        self.max_connections = max_connections
        self.bucket = TokenBucket(rate) if rate else None
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.retryable = retryable
        self.max_body = max_body
        self.signer = _signer(service, region, self.host, f"/{path}".rstrip("/"))
        self._addresses: list[Address] = []
        self._resolved = 0.0

    def addresses(self, now: float) -> list[Address]:
        """Return the addresses of the host.

        The name is resolved again after 30 seconds. If that fails, the previous addresses are used.

        Raises
        ------
        OSError
            The host has no address.
        """
        if not self._addresses or now - self._resolved > ADDRESS_LIFE:
            try:
                found = socket.getaddrinfo(self.name, self._port, type=socket.SOCK_STREAM)
            except OSError:
                if not self._addresses:
                    raise
            else:
                self._addresses = [(family, address) for family, _, _, _, address in found]
            self._resolved = now
        return self._addresses

    def avoid(self, address: Address) -> None:
        """Move an address that did not accept a connection to the end of the list."""
        if self._addresses and self._addresses[0] == address:
            self._addresses.append(self._addresses.pop(0))


def _signer(service: str, region: str, host: str, base: str) -> "Signer | Unsigned":
    if service:
        return Signer(service, region, host, base)
    from chalicelib.engine.unsigned import Unsigned  # most functions do not need it

    return Unsigned(host, base)


def trust(host: str) -> ssl.SSLContext:
    """Return a TLS context with the trusted root certificates.

    They come from the file in AWS_CA_BUNDLE, else from the file in SSL_CERT_FILE. Otherwise AWS's
    own host names use Amazon's root certificates, and other host names use the system's.

    Amazon has five root certificates. Loading only these instead of all system certificates saves
    more than 20 ms in every cold start.
    """
    bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    if not bundle and host.endswith((".amazonaws.com", ".api.aws")):
        # without pathlib, whose import takes 5 ms
        bundle = f"{__file__.rpartition(os.sep)[0]}{os.sep}amazon_roots.pem"
    if not bundle:  # a custom domain can have a certificate from any authority
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
    context.load_verify_locations(bundle)
    return context

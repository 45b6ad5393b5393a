"""The issuer's keys: cached, and fetched again when they may have changed (docs/adr/0016)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import telemetry
from chalicelib.engine.endpoint import TokenBucket
from chalicelib.errors import ServiceError
from chalicelib.sessions.key_server import ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    PublicKey = RSAPublicKey | EllipticCurvePublicKey

KEEP_SECONDS = 300.0
RETRY_SECONDS = 2.0  # after a failed fetch
FETCHES_AT_ONCE = 3  # burst of fetches for keys that are not cached; KEEP_SECONDS adds others
FETCHES_PER_SECOND = 0.1  # rate after the burst
SHORTEST_RSA_BITS = 2048  # RFC 7518, 3.3

_KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256")}  # kty and crv; RFC 7518, 3.1 and 6.2


class Key(NamedTuple):
    """A public key, and its `kid` if it has one."""

    kid: str | None
    public: PublicKey


class Jwks:
    """The keys of one issuer for one algorithm.

    Parameters
    ----------
    fetch
        Returns the JWK set (RFC 7517), or raises ServiceError.
    clock
        A monotonic clock, in seconds.
    """

    def __init__(
        self,
        algorithm: str,
        fetch: Callable[[], bytes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._algorithm = algorithm
        self._fetch = fetch
        self._clock = clock
        self._keys: list[Key] = []
        self._read_at = self._retry_at = float("-inf")
        self._failure: ServiceError | None = None  # the error of the newest fetch
        self._budget = TokenBucket(FETCHES_PER_SECOND, FETCHES_AT_ONCE)

    def candidates(self, kid: str | None) -> Iterator[PublicKey]:
        """Yield the keys that may verify a token: first cached keys, then newly fetched keys.

        Parameters
        ----------
        kid
            The token's key id. `kid` is optional in tokens and in keys (RFC 7515, 4.1.4; RFC 7517,
            4.5). A token without `kid` may be signed with any key. A key without `kid` may have
            signed any token whose `kid` no other key has.

        Raises
        ------
        ServiceError
            No key verified the token, and the issuer's current keys cannot be fetched.
        """
        fresh = self._clock() - self._read_at > KEEP_SECONDS and self._refresh()
        yield from self._fitting(kid)
        if kid is not None and any(key.kid == kid for key in self._keys):
            return
        if not fresh and self._refresh():
            yield from self._fitting(kid)
        if self._failure:
            raise self._failure.with_traceback(None)

    def _fitting(self, kid: str | None) -> list[PublicKey]:
        named = [key.public for key in self._keys if kid is None or key.kid == kid]
        return named or [key.public for key in self._keys if key.kid is None]

    def _refresh(self) -> bool:
        """Fetch the keys if that is allowed now; return whether they were read."""
        now = self._clock()
        if now < self._retry_at or (self._keys and self._budget.take(now) > 0):
            return False
        try:
            self._keys = usable_keys(self._fetch(), self._algorithm)
        except ServiceError as exc:  # the cached keys stay valid
            telemetry.error("JWKS not fetched", error=str(exc))
            self._failure, self._retry_at = exc, self._clock() + RETRY_SECONDS
            return False
        self._failure, self._read_at = None, now
        return True


def usable_keys(document: bytes, algorithm: str) -> list[Key]:
    """Return the keys of a JWK set that may verify tokens of an algorithm; others are ignored.

    Raises
    ------
    ServiceError
        The document is not a JWK set, or has no usable key.
    """
    try:
        found = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ServiceError(ISSUER, 200, "the document is not a JWK set") from exc
    listed = found if isinstance(found, list) else []
    keys = [key for jwk in listed if isinstance(jwk, dict) and (key := _key(jwk, algorithm))]
    if not keys:
        raise ServiceError(ISSUER, 200, f"the JWK set has no usable key for {algorithm}")
    return keys


def _key(jwk: Mapping[str, object], algorithm: str) -> Key | None:
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    kid = jwk.get("kid")
    if not (kid is None or isinstance(kid, str)) or not _for_verifying(jwk, algorithm):
        return None
    try:
        public: PublicKey = jwt.PyJWK(dict(jwk), algorithm).key
    except Exception:
        return None  # an unusable key does not affect the others
    if isinstance(public, RSAPublicKey) and public.key_size < SHORTEST_RSA_BITS:
        return None
    return Key(kid, public)


def _for_verifying(jwk: Mapping[str, object], algorithm: str) -> bool:
    """Whether a key's parameters allow it to verify an algorithm's signatures (RFC 7517, 4)."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        (jwk.get("kty"), jwk.get("crv")) == _KINDS[algorithm]
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and jwk.get("alg", algorithm) == algorithm
        and "d" not in jwk  # a published private key proves nothing
    )

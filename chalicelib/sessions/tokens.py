"""Verifies JWTs: signature, claims and times. Also caches the issuer's keys."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import telemetry
from chalicelib.errors import SettingError, Unauthorized
from chalicelib.protocol.events import MAX_USER_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwt import PyJWK
    from jwt.types import Options

LEEWAY_SECONDS = 30
SHORTEST_SECRET_BYTES = 32  # required by RFC 7518, section 3.2, for HS256
JWKS_SECONDS = 300.0
JWKS_REFETCH_SECONDS = 60.0
FETCH_SECONDS = 3.0
_ALGORITHMS = ("HS256", "RS256", "ES256")
_OPTIONS: Options = {"require": ["exp", "iat", "iss", "aud", "sub"]}


class Identity(NamedTuple):
    """The owner of a credential and the time at which it expires, in epoch seconds."""

    user_id: str
    token_expires_at: int
    credential: str


class Rules(NamedTuple):
    """The requirements for a token."""

    algorithm: str
    issuer: str
    audience: str


class Tokens:
    """Verifies tokens.

    Parameters
    ----------
    secret
        A function that returns the HS256 secret or the PEM public key.
    jwks
        The issuer's keys, or None if the key is in the secret. HS256 never uses them.
    """

    def __init__(self, rules: Rules, secret: Callable[[], str], jwks: Jwks | None = None) -> None:
        if rules.algorithm not in _ALGORITHMS:
            raise SettingError(f"HERALD_JWT_ALGORITHM must be one of {', '.join(_ALGORITHMS)}")
        self._rules = rules
        self._secret = secret
        self._jwks = None if rules.algorithm == "HS256" else jwks

    def verify(self, token: str) -> Identity:
        """Verify a JWT: the configured algorithm, signature, issuer, audience and times.

        Raises
        ------
        Unauthorized
            The token is invalid. The message has the reason, but never the token's content.
        SettingError
            The key is missing or too short.
        """
        import jwt  # heavy, and only some functions need it

        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=[self._rules.algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=LEEWAY_SECONDS,
                options=_OPTIONS,
            )
        except jwt.InvalidTokenError as exc:
            raise Unauthorized(f"the token is invalid: {exc}") from exc
        user_id = claims["sub"]
        if not user_id or len(user_id) > MAX_USER_CHARACTERS:
            raise Unauthorized("the token's sub is empty or too long")
        return Identity(user_id, int(claims["exp"]), "jwt")

    def _key(self, token: str) -> PyJWK | str:
        if self._jwks is not None:
            return self._jwks.key(token)
        secret = self._secret()
        if self._rules.algorithm == "HS256" and len(secret.encode()) < SHORTEST_SECRET_BYTES:
            raise SettingError(f"the JWT secret is shorter than {SHORTEST_SECRET_BYTES} bytes")
        return secret


class Jwks:
    """A cache of the keys at a JWKS URL.

    A token with an unknown `kid` causes another fetch, at most once a minute.
    """

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not url.startswith("https://"):
            raise SettingError("HERALD_JWT_JWKS_URL must be an https URL")
        self._url = url
        self._fetch = fetch or _fetch
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")

    def key(self, token: str) -> PyJWK:
        """Return the key that a token names.

        Raises Unauthorized if the issuer has no such key, and OSError or ValueError if the issuer's
        keys have never been read.
        """
        import jwt

        kid = jwt.get_unverified_header(token).get("kid")
        age = self._clock() - self._fetched
        if age > JWKS_SECONDS or (kid not in self._keys and age > JWKS_REFETCH_SECONDS):
            self._refresh()
        if kid not in self._keys:
            raise Unauthorized("the token's kid is unknown")
        return self._keys[kid]

    def _refresh(self) -> None:
        import jwt

        self._fetched = self._clock()
        try:
            found = jwt.PyJWKSet.from_dict(json.loads(self._fetch(self._url)))
        except (OSError, ValueError, jwt.PyJWKSetError) as exc:
            telemetry.error("JWKS not fetched", error=f"{type(exc).__name__}: {exc}")
            if not self._keys:
                raise
            return  # the keys that are already known stay valid
        self._keys = {key.key_id: key for key in found.keys if key.key_id}


def _fetch(url: str) -> bytes:
    from urllib.request import urlopen

    with urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - Jwks takes https only
        body: bytes = answer.read()
        return body

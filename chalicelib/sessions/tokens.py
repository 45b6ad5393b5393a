"""Verifies JWTs: signature, claims and times."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import SettingError, Unauthorized
from chalicelib.protocol.events import MAX_USER_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jwt.types import Options

    from chalicelib.sessions.jwks import Jwks, PublicKey

LEEWAY_SECONDS = 30
LONGEST_SECONDS = 24 * 3600  # maximum lifetime of a token from now, even if its exp is later
MAX_CHARACTERS = 16_384
SHORTEST_SECRET_BYTES = 32  # HS256 keys: RFC 7518, 3.2
_ALGORITHMS = ("HS256", "RS256", "ES256")
_OPTIONS: Options = {
    "require": ["exp", "iat", "iss", "aud", "sub"],
    "enforce_minimum_key_length": True,
}


class Identity(NamedTuple):
    """A credential's user, and when the credential expires and was issued, in epoch seconds.

    A token expires at most LONGEST_SECONDS from now. `issued_at` is 0 for a token without `iat`.
    """

    user_id: str
    token_expires_at: int
    credential: str
    issued_at: int


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
        """Verify a JWT: its algorithm, signature, issuer, audience and times.

        Raises
        ------
        Unauthorized
            The token is invalid. The message contains the reason, but never the token's content.
        SettingError
            The key is unusable or too short.
        ServiceError
            The key cannot be read, or the issuer's keys cannot be fetched.
        """
        import jwt  # heavy, and only some functions need it

        if len(token) > MAX_CHARACTERS or not token.isascii():
            raise Unauthorized("the token is too long or is not ASCII")
        try:
            claims = self._claims(token)
            expires_at, issued_at = int(claims["exp"]), int(claims.get("iat", 0))
        except jwt.InvalidKeyError as exc:
            raise SettingError(f"the JWT key is unusable: {exc}") from exc
        except jwt.InvalidTokenError as exc:
            raise Unauthorized(f"the token is invalid: {exc}") from exc
        except (OverflowError, RecursionError) as exc:
            raise Unauthorized("the token has an infinite time or is nested too deeply") from exc
        latest = int(time.time()) + LONGEST_SECONDS
        return Identity(_user_id(claims["sub"]), min(expires_at, latest), "jwt", issued_at)

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        for key in self._keys(jwt.get_unverified_header(token)):
            with contextlib.suppress(jwt.InvalidSignatureError):
                return jwt.decode(
                    token,
                    key,
                    algorithms=[self._rules.algorithm],
                    issuer=self._rules.issuer,
                    audience=self._rules.audience,
                    leeway=LEEWAY_SECONDS,
                    options=_OPTIONS,
                )
        raise Unauthorized("no known key verifies the token's signature")

    def _keys(self, header: dict[str, Any]) -> Iterator[PublicKey | str]:
        algorithm = self._rules.algorithm
        if header.get("alg") != algorithm:  # checked before any key is fetched
            raise Unauthorized(f"the token is not signed with {algorithm}")
        if self._jwks is not None:
            yield from self._jwks.candidates(header.get("kid"))
            return
        secret = self._secret()
        if algorithm == "HS256" and len(secret.encode()) < SHORTEST_SECRET_BYTES:
            raise SettingError(f"the JWT secret is shorter than {SHORTEST_SECRET_BYTES} bytes")
        yield secret


def _user_id(sub: str) -> str:
    if not sub or len(sub) > MAX_USER_CHARACTERS:
        raise Unauthorized("the token's sub is empty or too long")
    try:
        sub.encode()
    except UnicodeEncodeError as exc:  # DynamoDB rejects such a key
        raise Unauthorized("the token's sub has half of a surrogate pair") from exc
    return sub

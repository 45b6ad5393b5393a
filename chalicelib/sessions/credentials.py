"""Who may connect: JWTs and API keys, and from which pages."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from chalicelib import settings, telemetry
from chalicelib.aws import secrets, service
from chalicelib.aws.dynamodb import from_item, to_item
from chalicelib.errors import SettingError, Unauthorized
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.store.connections import NEVER

LEEWAY_SECONDS = 30
SHORTEST_SECRET_BYTES = 32  # HS256 keys: RFC 7518, 3.2
JWKS_SECONDS = 300.0
JWKS_REFETCH_SECONDS = 60.0
_ALGORITHMS = ("HS256", "RS256", "ES256")
_BEARER = "bearer."


class Identity(NamedTuple):
    """Who a credential stands for and until when, in epoch seconds."""

    user_id: str
    token_expires_at: int
    credential: str


class Credentials(NamedTuple):
    """The credentials that a connection request carries."""

    token: str | None
    api_key: str | None


def from_headers(headers: dict[str, str]) -> Credentials:
    """Find the credential in a request's headers, names in lower case; the query string is
    never looked at.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return Credentials(token.strip(), None)
    for protocol in subprotocols(headers):
        if protocol.startswith(_BEARER):
            return Credentials(protocol[len(_BEARER) :], None)
    return Credentials(None, headers.get("x-api-key") or None)


def subprotocols(headers: dict[str, str]) -> list[str]:
    """Return the subprotocols that a client offers."""
    offered = headers.get("sec-websocket-protocol", "")
    return [protocol.strip() for protocol in offered.split(",") if protocol.strip()]


def origin_allowed(headers: dict[str, str], allowed: Iterable[str]) -> bool:
    """Whether the page may connect; what is not a browser sends no Origin."""
    origin = headers.get("origin")
    return origin is None or origin in allowed


def verify_token(token: str) -> Identity:
    """Check a JWT: signature, one algorithm, issuer, audience and times.

    Raises
    ------
    Unauthorized
        It does not hold; the message says why, never what it contains.
    SettingError
        The key is missing or too short.
    """
    import jwt  # heavy, and only some functions need it

    config = settings.load(settings.Tokens)
    if config.jwt_algorithm not in _ALGORITHMS:
        raise SettingError(f"HERALD_JWT_ALGORITHM must be one of {', '.join(_ALGORITHMS)}")
    try:
        claims = jwt.decode(
            token,
            _key(token, config),
            algorithms=[config.jwt_algorithm],
            issuer=config.jwt_issuer,
            audience=config.jwt_audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as exc:
        raise Unauthorized(f"the token does not hold: {exc}") from exc
    user_id = claims["sub"]
    if not user_id or len(user_id) > MAX_USER_CHARACTERS:
        raise Unauthorized("the token's sub is empty or too long")
    return Identity(user_id, int(claims["exp"]), "jwt")


def verify_api_key(key: str) -> Identity:
    """Check an API key, `hk_<id>_<secret>`, against its SHA-256 in the table.

    Raises
    ------
    Unauthorized
        It is malformed, unknown, wrong or expired.
    """
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != "hk" or not key_id or not secret:
        raise Unauthorized("the API key is malformed")
    payload = {
        "TableName": settings.load(settings.Authorize).api_keys_table,
        "Key": to_item({"key_id": key_id}),
        "ConsistentRead": True,  # a key that was taken back is refused at once
    }
    item = from_item(service.call(service.DYNAMODB, "GetItem", payload).get("Item", {}))
    expected = item.get("key_sha256", "")
    if not hmac.compare_digest(hashlib.sha256(key.encode()).hexdigest(), expected):
        raise Unauthorized("the API key is unknown or wrong")
    ends = item.get("expires_at", NEVER)
    if ends != NEVER and ends <= time.time():
        raise Unauthorized("the API key has expired")
    return Identity(item["user_id"], ends, "api_key")


def _key(token: str, config: settings.Tokens) -> Any:
    if config.jwt_jwks_url and config.jwt_algorithm != "HS256":
        return _jwks.key(token, config.jwt_jwks_url)
    secret = secrets.get(config.jwt_secret_arn)
    if config.jwt_algorithm == "HS256" and len(secret.encode()) < SHORTEST_SECRET_BYTES:
        raise SettingError(f"the JWT secret is shorter than {SHORTEST_SECRET_BYTES} bytes")
    return secret


class _Jwks:
    """The keys behind a JWKS URL, kept, and fetched anew for an unknown kid at most once a
    minute.
    """

    def __init__(self) -> None:
        self._keys: dict[str, Any] = {}
        self._fetched = float("-inf")

    def key(self, token: str, url: str) -> Any:
        import jwt

        kid = jwt.get_unverified_header(token).get("kid")
        age = time.monotonic() - self._fetched
        if age > JWKS_SECONDS or (kid not in self._keys and age > JWKS_REFETCH_SECONDS):
            self._fetch(url)
        if kid not in self._keys:
            raise Unauthorized("the token's kid is unknown")
        return self._keys[kid]

    def _fetch(self, url: str) -> None:
        from urllib.request import urlopen

        import jwt

        if not url.startswith("https://"):
            raise SettingError("HERALD_JWT_JWKS_URL must be an https URL")
        self._fetched = time.monotonic()
        try:
            with urlopen(url, timeout=3) as answer:  # noqa: S310 - the scheme is checked above
                found = jwt.PyJWKSet.from_dict(json.load(answer))
        except (OSError, ValueError, jwt.PyJWKSetError) as exc:
            telemetry.error("JWKS not fetched", error=f"{type(exc).__name__}: {exc}")
            if not self._keys:
                raise
            return  # the keys known so far go on holding
        self._keys = {key.key_id: key.key for key in found.keys if key.key_id}


_jwks = _Jwks()

"""Issues the tokens with which browsers and other clients connect."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LIFETIME = 24 * 3600  # seconds; Herald treats a longer lifetime as this one
MAX_USER_CHARACTERS = 256
SHORTEST_SECRET = 32  # bytes: RFC 7518, 3.2


def mint_token(
    user: str,
    *,
    secret: str,
    issuer: str,
    audience: str,
    lifetime: int = 900,
    now: float | None = None,
) -> str:
    """Return a JWT for a user of your application, signed with HS256.

    If the stage verifies RS256 or ES256, let your identity provider issue the tokens.

    Parameters
    ----------
    user
        The user's id: the token's `sub`, and the `user_id` of the user's generations.
    secret
        The value of the JWT secret of the stage, at least 32 bytes.
    issuer, audience
        The stage's `jwt_issuer` and `jwt_audience`.
    lifetime
        In seconds. The client fetches a fresh token after 80 percent of it.
    now
        The time in seconds since 1970; by default, the current time.

    Raises
    ------
    ValueError
        A value is one that Herald would refuse. The message names it.
    """
    if not user or len(user) > MAX_USER_CHARACTERS:
        raise ValueError(f"user: must have 1 to {MAX_USER_CHARACTERS} characters")
    if len(secret.encode()) < SHORTEST_SECRET:
        raise ValueError(f"secret: must have at least {SHORTEST_SECRET} bytes")
    if not 0 < lifetime <= MAX_LIFETIME:
        raise ValueError(f"lifetime: must be 1 to {MAX_LIFETIME} seconds")
    if not issuer or not audience:
        raise ValueError("issuer and audience: must not be empty")
    issued = int(time.time() if now is None else now)
    times = {"iat": issued, "exp": issued + lifetime}
    claims = {"sub": user, "iss": issuer, "aud": audience, **times}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _part(fields: Mapping[str, Any]) -> str:
    return _base64(json.dumps(fields, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

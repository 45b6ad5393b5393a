"""Tokens for the pages of a stack, as the integrator's login would issue them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping


def issue(environment: Mapping[str, str], user: str, lifetime: float = 3600.0) -> str:
    """A JWT for `user` that the stack of `environment` accepts for `lifetime` seconds."""
    now = int(time.time())
    claims = {
        "sub": user,
        "iss": environment["HERALD_JWT_ISSUER"],
        "aud": environment["HERALD_JWT_AUDIENCE"],
        "iat": now,
        "exp": now + int(lifetime),
    }
    return jwt.encode(claims, environment["HERALD_JWT_SECRET"], algorithm="HS256")

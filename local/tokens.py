"""Issues tokens for the users of a stack, as the login of an integrator's application would."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping


class Issuer(NamedTuple):
    """A token issuer that a stack trusts."""

    secret: str
    name: str
    audience: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Issuer:
        """Return the issuer for a stack, from the content of its stack.env file."""
        fields = ("HERALD_JWT_SECRET", "HERALD_JWT_ISSUER", "HERALD_JWT_AUDIENCE")
        return cls(*(environment[field] for field in fields))

    def token(self, user: str, lifetime: float = 3600.0) -> str:
        """Return a JWT for `user` that is valid for `lifetime` seconds."""
        now = int(time.time())
        return self.sign(sub=user, iat=now, exp=now + int(lifetime))

    def sign(self, **claims: Any) -> str:
        """Return a JWT with these claims. Issuer and audience are added unless they are given."""
        every = {"iss": self.name, "aud": self.audience, **claims}
        return jwt.encode(every, self.secret, algorithm="HS256")


def issue(environment: Mapping[str, str], user: str, lifetime: float = 3600.0) -> str:
    """Return a JWT for `user` that a stack accepts for `lifetime` seconds."""
    return Issuer.of(environment).token(user, lifetime)

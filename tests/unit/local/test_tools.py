"""The small tools: ports and tokens."""

from __future__ import annotations

import jwt

from local import tokens


def test_a_token_has_the_claims_that_herald_needs() -> None:
    secret = "s" * 48
    environment = {
        "HERALD_JWT_SECRET": secret,
        "HERALD_JWT_ISSUER": "studio",
        "HERALD_JWT_AUDIENCE": "herald",
    }
    token = tokens.issue(environment, "alice", lifetime=60)
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience="herald", issuer="studio")
    assert claims["sub"] == "alice"
    assert claims["exp"] - claims["iat"] == 60

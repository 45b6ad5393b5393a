"""`./herald doctor --token`: each mistake in a token is named."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from chalicelib.sessions.tokens import Rules
from cli.doctor import tokens

SECRET = "s" * 40
RULES = Rules("HS256", "shop", "herald")
NOW = int(time.time())
CLAIMS = {"sub": "alice", "iss": "shop", "aud": "herald", "iat": NOW, "exp": NOW + 900}


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    every = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(every, secret, algorithm)


def test_a_token_that_herald_accepts_is_fine() -> None:
    found = tokens.check(signed(), RULES, SECRET, NOW)
    assert found.healthy
    assert found.what == "The token of alice is valid for 15m."


@pytest.mark.parametrize(
    ("token", "what", "fix"),
    [
        (signed(exp=NOW - 3600), "expired 1h ago", "fresh token"),
        (signed(iat=NOW + 600), "10m in the future", "clock"),
        (signed(iat=NOW * 1000), "in the future", "not milliseconds"),
        (signed(aud="shop-api"), "aud is shop-api, but Herald expects herald", "set aud to herald"),
        (signed(aud=["a", "b"]), "aud is a, b", "set aud to herald"),
        (signed(iss="https://shop/"), "iss is https://shop/, but Herald expects shop", "iss"),
        (signed(sub=None), "sub is missing", "Add sub"),
        (signed(iat=None), "iat is missing", "Add iat"),
        (signed(exp="soon"), "not a number", "seconds since 1970"),
        (signed(secret="t" * 40), "Another secret signed", "do not decode it from base64"),
        (signed(secret="t" * 64, algorithm="HS512"), "signed with HS512", "Sign with HS256"),
        ("Bearer " + signed(), "not a JWT", "without `Bearer`"),
        ("", "not a JWT", "token alone"),
    ],
)
def test_each_mistake_is_named_and_says_what_to_do(token: str, what: str, fix: str) -> None:
    found = tokens.check(token, RULES, SECRET, NOW)
    assert not found.healthy
    assert what in found.what
    assert fix in found.fix


def test_heralds_own_rules_decide_about_what_is_not_explained() -> None:
    found = tokens.check(signed(sub="a" * 300), RULES, SECRET, NOW)
    assert "sub is empty or too long" in found.what
    assert not found.healthy


def test_a_short_secret_of_herald_is_named() -> None:
    found = tokens.check(signed(), RULES, "short", NOW)
    assert "shorter than 32 bytes" in found.what


def test_the_signature_of_keys_that_are_fetched_is_not_judged() -> None:
    found = tokens.check(signed(), RULES, None, NOW)
    assert found.healthy

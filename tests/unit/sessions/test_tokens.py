"""Tokens: which tokens are valid, and for how long."""

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.warnings import InsecureKeyLengthWarning

from chalicelib.errors import SettingError, Unauthorized
from chalicelib.sessions.tokens import LONGEST_SECONDS, Identity, Rules, Tokens

SECRET = "s" * 32
RULES = Rules("HS256", "https://issuer.example", "herald")
verify = Tokens(RULES, lambda: SECRET).verify


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    all_claims = {
        "sub": "alice",
        "iss": "https://issuer.example",
        "aud": "herald",
        "iat": now,
        "exp": now + 900,
        **changes,
    }
    return {name: value for name, value in all_claims.items() if value is not None}


def token(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, "HS256")


def test_a_token_is_valid_for_its_user_until_it_expires() -> None:
    expires = int(time.time()) + 100
    issued = int(time.time()) - 60
    assert verify(token(exp=expires, iat=issued)) == Identity("alice", expires, "jwt", issued)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -60},  # seconds from now
        {"nbf": 600},
        {"iat": 600},
        {"aud": "another"},
        {"iss": "https://else.example"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"aud": None},
        {"iss": None},
        {"sub": ""},
        {"sub": "u" * 257},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_invalid(changes: dict[str, Any]) -> None:
    now = int(time.time())
    times = {name: now + value for name, value in changes.items() if isinstance(value, int)}
    with pytest.raises(Unauthorized):
        verify(token(**changes | times))


@pytest.mark.parametrize(
    "exp",
    [time.time() + 2 * LONGEST_SECONDS, time.time() * 1000, 10**30, 1e30],
    ids=["two days", "milliseconds", "10^30", "1e30"],
)
def test_a_token_is_valid_for_a_day_at_most(exp: float) -> None:
    latest = verify(token(exp=exp)).token_expires_at - int(time.time())
    assert LONGEST_SECONDS - 2 <= latest <= LONGEST_SECONDS


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), "soon", [], {}])
def test_a_time_that_is_not_a_number_is_invalid(claim: str, value: Any) -> None:
    with pytest.raises(Unauthorized):
        verify(token(**{claim: value}))


@pytest.mark.parametrize("sub", [42, "\ud800", ["alice"], {}, True])
def test_a_sub_that_is_not_text_is_invalid(sub: Any) -> None:
    with pytest.raises(Unauthorized):
        verify(token(sub=sub))


def test_clocks_may_differ_by_the_leeway() -> None:
    assert verify(token(exp=int(time.time()) - 10)).user_id == "alice"


def nested() -> str:
    """A token whose header is nested too deeply for a recursive parser."""
    return base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.e30"


def test_only_the_configured_algorithm_is_accepted() -> None:
    key = rsa.generate_private_key(65537, 2048)
    for forged in (
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), SECRET * 2, "HS512"),
        jwt.encode(claims(), key, "RS256"),
        jwt.encode(claims(), "another" * 8, "HS256"),
        "nonsense",
        "a.b.c",
        "",
        "\ud800.a.b",
        "é.a.b",
        nested(),
        "a" * 20_000,
    ):
        with pytest.raises(Unauthorized):
            verify(forged)


def test_a_short_secret_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match="shorter"):
        Tokens(RULES, lambda: "short").verify(token())


def weakly_signed(key: rsa.RSAPrivateKey, **headers: str) -> str:
    """A token signed with a key that is too short."""
    with pytest.warns(InsecureKeyLengthWarning):
        return jwt.encode(claims(), key, "RS256", headers=headers)


def test_a_short_or_broken_public_key_is_a_setting_error() -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - on purpose
    short = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    broken = b"-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----"
    for pem in (short, broken):
        tokens = Tokens(RULES._replace(algorithm="RS256"), pem.decode)
        with pytest.raises(SettingError, match="unusable"):
            tokens.verify(weakly_signed(key))


def test_an_unknown_algorithm_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match="HERALD_JWT_ALGORITHM"):
        Tokens(RULES._replace(algorithm="none"), lambda: SECRET)


def test_a_pem_public_key_verifies_tokens() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    tokens = Tokens(RULES._replace(algorithm="ES256"), pem.decode)
    assert tokens.verify(jwt.encode(claims(), key, "ES256")).user_id == "alice"

"""The validity of tokens, and the source of the issuer's keys."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib.errors import SettingError, Unauthorized
from chalicelib.sessions.tokens import Identity, Jwks, Rules, Tokens

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
    assert verify(token(exp=expires)) == Identity("alice", expires, "jwt")


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


def test_clocks_may_differ_by_the_leeway() -> None:
    assert verify(token(exp=int(time.time()) - 10)).user_id == "alice"


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
    ):
        with pytest.raises(Unauthorized):
            verify(forged)


def test_a_short_secret_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match="shorter"):
        Tokens(RULES, lambda: "short").verify(token())


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


class Issuer:
    """A JWKS URL that counts its requests, and a clock."""

    def __init__(self) -> None:
        self.keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.fetched = 0
        self.down = False
        self.now = 1000.0
        jwks = Jwks("https://issuer.example/jwks", self.fetch, lambda: self.now)
        self.verify = Tokens(RULES._replace(algorithm="RS256"), lambda: "", jwks).verify

    def fetch(self, url: str) -> bytes:
        assert url == "https://issuer.example/jwks"
        self.fetched += 1
        if self.down:
            raise OSError("unreachable")
        found = [
            json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": found}).encode()

    def token(self, kid: str) -> str:
        key = self.keys.get(kid) or rsa.generate_private_key(65537, 2048)
        return jwt.encode(claims(), key, "RS256", headers={"kid": kid})


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def test_keys_are_cached_and_refetched_for_a_new_kid_at_most_once_a_minute(
    issuer: Issuer,
) -> None:
    for _ in range(3):
        assert issuer.verify(issuer.token("one")).user_id == "alice"
    assert issuer.fetched == 1
    for _ in range(5):
        with pytest.raises(Unauthorized):
            issuer.verify(issuer.token("unknown"))
    assert issuer.fetched == 1, "no second fetch within a minute"
    issuer.keys["two"] = rsa.generate_private_key(65537, 2048)
    issuer.now += 61
    assert issuer.verify(issuer.token("two")).user_id == "alice"
    assert issuer.fetched == 2


def test_known_keys_stay_valid_while_the_issuer_is_down(issuer: Issuer) -> None:
    issuer.verify(issuer.token("one"))
    issuer.down = True
    issuer.now += 400
    assert issuer.verify(issuer.token("one")).user_id == "alice"


def test_a_jwks_url_must_be_https() -> None:
    with pytest.raises(SettingError, match="https"):
        Jwks("http://issuer.example/jwks")

"""The issuer's keys: which keys verify a token, when keys are fetched, what a failure means."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib.errors import ServiceError, Unauthorized
from chalicelib.sessions.jwks import (
    FETCHES_AT_ONCE,
    FETCHES_PER_SECOND,
    KEEP_SECONDS,
    RETRY_SECONDS,
    Jwks,
)
from chalicelib.sessions.tokens import Tokens
from tests.unit.sessions.test_tokens import RULES, claims, weakly_signed

ONE, TWO, STRANGER = (rsa.generate_private_key(65537, 2048) for _ in range(3))
CURVE = ec.generate_private_key(ec.SECP256R1())

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def jwk(key: Private, **changes: Any) -> dict[str, Any]:
    """A key as an issuer publishes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        found = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        found = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return found | changes


def token(key: Private, kid: str | None = None, algorithm: str = "RS256") -> str:
    return jwt.encode(claims(), key, algorithm, headers={"kid": kid} if kid is not None else {})


class Issuer:
    """A key server that counts its requests, and a clock."""

    def __init__(self, *keys: Any, algorithm: str = "RS256") -> None:
        self.document: Any = {"keys": list(keys)}
        self.fetched = 0
        self.down = False
        self.now = 1000.0
        jwks = Jwks(algorithm, self._fetch, lambda: self.now)
        self._tokens = Tokens(RULES._replace(algorithm=algorithm), lambda: "", jwks)

    def publish(self, *keys: Any) -> None:
        self.document = {"keys": list(keys)}

    def accepts(self, text: str) -> bool:
        try:
            return self._tokens.verify(text).user_id == "alice"
        except Unauthorized:
            return False

    def _fetch(self) -> bytes:
        self.fetched += 1
        if self.down:
            raise ServiceError("issuer", 503, "unavailable")
        return json.dumps(self.document).encode()


# --- when keys are fetched ---


def test_keys_are_fetched_once_and_again_after_five_minutes() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    for _ in range(20):
        assert issuer.accepts(token(ONE, "one"))
    assert issuer.fetched == 1
    issuer.now += KEEP_SECONDS + 1
    issuer.publish(jwk(TWO, kid="two"))
    assert not issuer.accepts(token(ONE, "one")), "a withdrawn key is no longer valid"
    assert issuer.fetched == 2


def test_a_new_key_is_found_at_once() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    assert issuer.accepts(token(ONE, "one"))
    issuer.publish(jwk(ONE, kid="one"), jwk(TWO, kid="two"))
    assert issuer.accepts(token(TWO, "two"))
    assert issuer.fetched == 2


def test_invented_kids_do_not_use_up_the_fetch_of_a_rotation() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    for number in range(FETCHES_AT_ONCE - 1):
        assert not issuer.accepts(token(STRANGER, f"made up {number}"))
    issuer.publish(jwk(ONE, kid="one"), jwk(TWO, kid="two"))
    assert issuer.accepts(token(TWO, "two"))


def test_a_flood_of_invented_kids_delays_a_rotation_by_seconds_and_bounds_the_fetches() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    seconds = 60
    for number in range(seconds * 20):
        issuer.now += 1 / 20
        assert not issuer.accepts(token(ONE, f"made up {number}"))
    assert issuer.fetched <= 1 + FETCHES_AT_ONCE + seconds * FETCHES_PER_SECOND
    issuer.publish(jwk(ONE, kid="one"), jwk(TWO, kid="two"))
    issuer.now += 1 / FETCHES_PER_SECOND
    assert issuer.accepts(token(TWO, "two"))


def test_a_token_of_another_algorithm_fetches_nothing() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    assert not issuer.accepts(jwt.encode(claims(), "s" * 32, "HS256", headers={"kid": "one"}))
    assert issuer.fetched == 0


def test_a_forged_signature_for_a_known_kid_fetches_nothing() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    for _ in range(5):
        assert not issuer.accepts(token(STRANGER, "one"))
    assert issuer.fetched == 1


# --- a key server that fails ---


def test_one_failed_fetch_shuts_clients_out_for_two_seconds_only() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    issuer.down = True
    for _ in range(5):
        with pytest.raises(ServiceError):
            issuer.accepts(token(ONE, "one"))
    assert issuer.fetched == 1, "no second fetch at once"
    issuer.down = False
    issuer.now += RETRY_SECONDS
    assert issuer.accepts(token(ONE, "one"))


def test_known_keys_stay_valid_while_the_issuer_is_down() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    assert issuer.accepts(token(ONE, "one"))
    issuer.down = True
    for _ in range(3):
        issuer.now += 2 * KEEP_SECONDS
        assert issuer.accepts(token(ONE, "one"))
    issuer.down = False
    issuer.publish(jwk(TWO, kid="two"))
    issuer.now += RETRY_SECONDS
    assert issuer.accepts(token(TWO, "two"))


def test_an_unknown_kid_is_the_services_fault_while_the_issuer_is_down() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    assert issuer.accepts(token(ONE, "one"))
    issuer.down = True
    for _ in range(2):
        with pytest.raises(ServiceError):
            issuer.accepts(token(TWO, "two"))
    issuer.down = False
    issuer.now += RETRY_SECONDS
    assert not issuer.accepts(token(TWO, "two")), "now the issuer says that there is no such key"


def test_consecutive_failures_are_paced_even_with_cached_keys() -> None:
    issuer = Issuer(jwk(ONE, kid="one"))
    assert issuer.accepts(token(ONE, "one"))
    issuer.down = True
    issuer.now += KEEP_SECONDS
    for _ in range(600):
        issuer.now += 0.1
        assert issuer.accepts(token(ONE, "one"))
    assert issuer.fetched <= 1 + FETCHES_AT_ONCE + 60 * FETCHES_PER_SECOND + 1


@pytest.mark.parametrize(
    "document",
    ["", [], {}, {"keys": None}, {"keys": 1}, {"keys": []}, {"keys": "kty"}, {"keys": [None, 1]}],
)
def test_a_document_without_a_usable_key_is_the_services_fault(document: Any) -> None:
    issuer = Issuer()
    issuer.document = document
    with pytest.raises(ServiceError, match="key server answered 200"):
        issuer.accepts(token(ONE, "one"))


@pytest.mark.parametrize("document", [b"", b"<html>", b"\xff", b"[" * 60_000, b'{"keys":' * 9000])
def test_a_document_that_is_not_json_is_the_services_fault(document: bytes) -> None:
    jwks = Jwks("RS256", lambda: document)
    with pytest.raises(ServiceError, match="not a JWK set"):
        list(jwks.candidates("one"))


# --- keys and tokens without kid (RFC 7515, 4.1.4; RFC 7517, 4.5) ---


@pytest.mark.parametrize("key_kid", [None, "one"])
@pytest.mark.parametrize("token_kid", [None, "one"])
def test_kid_is_optional_in_keys_and_in_tokens(key_kid: str | None, token_kid: str | None) -> None:
    issuer = Issuer(jwk(ONE, **({"kid": key_kid} if key_kid else {})))
    for _ in range(3):
        assert issuer.accepts(token(ONE, token_kid))
        assert not issuer.accepts(token(STRANGER, token_kid))


def test_a_token_without_kid_is_tried_with_every_key() -> None:
    issuer = Issuer(jwk(ONE, kid="one"), jwk(TWO), jwk(CURVE))
    assert all(issuer.accepts(token(key)) for key in (ONE, TWO))
    assert issuer.fetched == 1


def test_a_rotation_without_kid_is_found_at_once() -> None:
    issuer = Issuer(jwk(ONE))
    assert issuer.accepts(token(ONE))
    issuer.publish(jwk(TWO))
    assert issuer.accepts(token(TWO))


def test_a_kid_names_its_key_even_if_another_key_has_none() -> None:
    issuer = Issuer(jwk(ONE, kid="one"), jwk(TWO))
    assert issuer.accepts(token(TWO, "two")), "no other key is called two"
    assert not issuer.accepts(token(TWO, "one")), "one is another key"


# --- which keys are usable ---


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    found = jwk(ONE, kid="one")
    change(found)
    return found


UNUSABLE: dict[str, Any] = {
    "for encryption": jwk(ONE, kid="one", use="enc"),
    "use is not text": jwk(ONE, kid="one", use=["sig"]),
    "operations without verify": jwk(ONE, kid="one", key_ops=["encrypt", "wrapKey"]),
    "operations are not a list": jwk(ONE, kid="one", key_ops="verify"),
    "of another algorithm": jwk(ONE, kid="one", alg="RSA-OAEP"),
    "of another signature algorithm": jwk(ONE, kid="one", alg="PS256"),
    "numeric kid": jwk(ONE, kid=1),
    "private": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(ONE)) | {"key_ops": ["verify"]},
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
    "kty is a list": edited(lambda key: key.update(kty=["RSA"])),
    "no kty": edited(lambda key: key.pop("kty")),
    "no modulus": edited(lambda key: key.pop("n")),
    "modulus is a number": edited(lambda key: key.update(n=5)),
    "exponent is one": edited(lambda key: key.update(e="AQ")),
    "null": None,
    "text": "one",
}


@pytest.mark.parametrize("unusable", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_key_does_not_affect_a_usable_key(unusable: Any) -> None:
    issuer = Issuer(unusable, jwk(TWO, kid="two"))
    assert issuer.accepts(token(TWO, "two"))
    assert not issuer.accepts(token(ONE, "one"))
    assert not issuer.accepts(token(ONE))


def test_an_rsa_key_of_1024_bits_is_ignored() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - on purpose
    issuer = Issuer(jwk(weak, kid="weak"), jwk(TWO, kid="two"))
    assert not issuer.accepts(weakly_signed(weak, kid="weak"))
    assert issuer.accepts(token(TWO, "two"))


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_itself_brings_is_ignored(name: str) -> None:
    public = jwk(STRANGER, kid="one")
    brought = {"jwk": public, "x5c": ["AAAA"]}.get(name, "https://evil.example/jwks")
    headers = {"kid": "one", name: brought}
    issuer = Issuer(jwk(ONE, kid="one"))
    assert not issuer.accepts(jwt.encode(claims(), STRANGER, "RS256", headers=headers))
    assert issuer.accepts(jwt.encode(claims(), ONE, "RS256", headers=headers))


def test_a_key_with_every_parameter_right_is_used() -> None:
    issuer = Issuer(jwk(ONE, kid="one", use="sig", key_ops=["verify", "encrypt"], alg="RS256"))
    assert issuer.accepts(token(ONE, "one"))


def test_two_keys_may_have_the_same_kid() -> None:
    issuer = Issuer(jwk(ONE, kid="same"), jwk(TWO, kid="same"))
    assert issuer.accepts(token(ONE, "same"))
    assert issuer.accepts(token(TWO, "same"))


def test_es256_keys_are_those_on_the_curve_p_256() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    issuer = Issuer(jwk(other, kid="other"), jwk(CURVE, kid="curve"), algorithm="ES256")
    assert issuer.accepts(token(CURVE, "curve", "ES256"))
    assert issuer.accepts(token(CURVE, algorithm="ES256"))

"""What holds for one provider alone."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest

from chalicelib.providers import bfl, kling
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof, Reason
from chalicelib.providers.verifiers import capability
from tests.unit.providers import samples
from tests.unit.providers.samples import GENERATION, NOW, TOKEN_KEY

BODY = b'{"id": "1"}'


def test_bfl_without_a_signature_needs_the_capability_in_the_path() -> None:
    keys = samples.keys("bfl")
    token = capability(TOKEN_KEY, "bfl", GENERATION)
    unsigned = Delivery("bfl", GENERATION, token, {}, BODY)
    assert bfl.ADAPTER.authenticate(unsigned, keys, NOW) == Proof(None)
    with pytest.raises(NotAuthentic) as refusal:
        bfl.ADAPTER.authenticate(unsigned._replace(token="no"), keys, NOW)
    assert refusal.value.reason is Reason.CAPABILITY


def test_a_wrong_signature_of_bfl_is_refused_also_with_the_capability() -> None:
    token = capability(TOKEN_KEY, "bfl", GENERATION)
    signed = samples.delivery("bfl", BODY)._replace(token=token, body=BODY + b" ")
    with pytest.raises(NotAuthentic) as refusal:
        bfl.ADAPTER.authenticate(signed, samples.keys("bfl"), NOW)
    assert refusal.value.reason is Reason.SIGNATURE


def test_bfl_signs_with_the_text_of_the_secret_of_the_request() -> None:
    """As its documentation has it: hex of HMAC-SHA256 of the raw body, the secret not decoded."""
    secret = capability(TOKEN_KEY, "bfl", GENERATION)
    digest = hmac.new(secret.encode(), BODY, sha256).hexdigest()
    headers = {"x-bfl-signature": f"sha256={digest}"}
    delivery = Delivery("bfl", GENERATION, None, headers, BODY)
    assert bfl.ADAPTER.authenticate(delivery, samples.keys("bfl"), NOW) == Proof(None)


def test_klings_own_vector_is_authentic() -> None:
    keys = Keys(secrets=("whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI=",))
    headers = {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"",'
        b'"create_time":1781080778802,"update_time":1781080794151}'
    )
    delivery = Delivery("kling", GENERATION, None, headers, body)
    assert kling.ADAPTER.authenticate(delivery, keys, 1781080800.0) == Proof("9876543210")


def test_kling_needs_the_capability_until_a_secret_is_configured() -> None:
    token = capability(TOKEN_KEY, "kling", GENERATION)
    unsigned = Delivery("kling", GENERATION, token, {}, BODY)
    without = Keys(token_keys=(TOKEN_KEY,))
    assert kling.ADAPTER.authenticate(unsigned, without, NOW) == Proof(None)
    with pytest.raises(NotAuthentic) as refusal:
        kling.ADAPTER.authenticate(unsigned, without._replace(secrets=(samples.SECRET,)), NOW)
    assert refusal.value.reason is Reason.MISSING_HEADER

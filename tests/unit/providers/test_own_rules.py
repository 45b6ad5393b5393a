"""Rules that only one provider has."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256

import pytest

from chalicelib.providers import bfl, kling, leonardo, registry, sagemaker, wavespeed
from chalicelib.providers import hmac as hmac_adapter
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof, Reason
from tests.unit.providers import samples
from tests.unit.providers.samples import GENERATION, NOW, TOKEN_KEY
from tooling.providers import signing

BODY = b'{"id": "1"}'


def in_path(provider: str) -> Delivery:
    """Return an unsigned delivery whose path ends in the generation's capability."""
    signed = signing.capability(BODY, {"token_key": TOKEN_KEY}, provider, GENERATION, "", 0)
    return Delivery(provider, GENERATION, signed.token, signed.headers, BODY)


def test_bfl_without_a_signature_needs_the_capability_in_the_path() -> None:
    keys = samples.keys("bfl")
    unsigned = in_path("bfl")
    assert bfl.ADAPTER.authenticate(unsigned, keys, NOW) == Proof(None)
    with pytest.raises(NotAuthentic) as refusal:
        bfl.ADAPTER.authenticate(unsigned._replace(token="no"), keys, NOW)
    assert refusal.value.reason is Reason.CAPABILITY


def test_a_wrong_signature_of_bfl_is_refused_also_with_the_capability() -> None:
    token = in_path("bfl").token
    signed = samples.delivery("bfl", BODY)._replace(token=token, body=BODY + b" ")
    with pytest.raises(NotAuthentic) as refusal:
        bfl.ADAPTER.authenticate(signed, samples.keys("bfl"), NOW)
    assert refusal.value.reason is Reason.SIGNATURE


def test_bfl_signs_with_the_text_of_the_secret_of_the_request() -> None:
    """As in BFL's documentation: HMAC-SHA256 of the raw body in hex, with the undecoded secret."""
    secret = in_path("bfl").token or ""
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


@pytest.mark.parametrize("provider", ["kling", "wavespeed"])
def test_the_capability_counts_until_a_secret_is_configured(provider: str) -> None:
    adapter = registry.adapter(provider)
    assert adapter is not None
    unsigned = in_path(provider)
    without = Keys(token_keys=(TOKEN_KEY,))
    assert adapter.authenticate(unsigned, without, NOW) == Proof(None)
    secrets = samples.keys(provider).secrets
    with pytest.raises(NotAuthentic) as refusal:
        adapter.authenticate(unsigned, without._replace(secrets=secrets), NOW)
    assert refusal.value.reason is Reason.MISSING_HEADER


def test_a_signature_of_standard_webhooks_is_not_wavespeeds() -> None:
    keys = samples.keys("wavespeed")
    signed = samples.delivery("wavespeed", BODY)
    for wrong in ("v1,", "v3", ""):
        signature = signed.headers["webhook-signature"].replace("v3,", wrong)
        headers = {**signed.headers, "webhook-signature": signature}
        with pytest.raises(NotAuthentic):
            wavespeed.ADAPTER.authenticate(signed._replace(headers=headers), keys, NOW)


def test_leonardos_callback_key_never_leaves_its_adapter() -> None:
    own = [fixture for fixture in samples.FIXTURES if fixture.provider == "leonardo"]
    assert any("a callback key" in json.dumps(fixture.body) for fixture in own)
    for fixture in own:
        delivery = samples.delivery("leonardo", json.dumps(fixture.body).encode())
        assert "a callback key" not in repr(leonardo.ADAPTER.interpret(fixture.body, delivery))


@pytest.mark.parametrize(("prefix", "encoding"), [("sha256=", "hex"), ("", "hex"), ("", "base64")])
def test_the_options_say_how_a_service_signs(prefix: str, encoding: str) -> None:
    options = {"header": "X-Acme", "prefix": prefix, "encoding": encoding}
    keys = samples.keys("hmac")
    signed = samples.delivery(
        "hmac", BODY, header="X-Acme", prefix=prefix, encoding=encoding
    )._replace(options=options)
    assert hmac_adapter.ADAPTER.authenticate(signed, keys, NOW) == Proof(None)
    with pytest.raises(NotAuthentic):
        hmac_adapter.ADAPTER.authenticate(signed._replace(body=b"{}"), keys, NOW)


def test_without_the_name_of_a_header_nothing_is_authentic() -> None:
    signed = samples.delivery("hmac", BODY)
    for options in ({}, {"header": ""}, {"header": None}):
        bare = signed._replace(options=options)
        with pytest.raises(NotAuthentic):
            hmac_adapter.ADAPTER.authenticate(bare, samples.keys("hmac"), NOW)


def test_sagemaker_cannot_be_reached_over_http() -> None:
    every = Keys(("secret",), (TOKEN_KEY,), "account", {"keys": []})
    assert not sagemaker.ADAPTER.is_configured(every)

"""The front door: which webhooks are authentic, and the answers to the others."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Refused, ServiceError, SettingError
from chalicelib.providers.adapter import MAX_BODY_BYTES
from chalicelib.recording import webhooks
from tests.unit.providers import samples
from tests.unit.recording.door import door, entry, event, receive, secret, signed, standard_headers

SECRET = samples.SECRET
OTHER = "whsec_" + base64.b64encode(b"1" * 32).decode()
PROVIDERS = sorted(samples.SIGNING_KEYS)
REPORT = json.dumps(
    {"generationId": samples.GENERATION, "status": "COMPLETE", "imageUrl": "https://x/1.png"}
).encode()
SUCCESS = {
    provider: json.dumps(
        next(
            f.body
            for f in samples.FIXTURES
            if (f.provider, f.event) in ((provider, "success"), (provider, "thin"))
        )
    ).encode()
    for provider in PROVIDERS
}


def accepted(sent: dict[str, str], body: bytes = REPORT, own: str = SECRET) -> str | None:
    """Receive a webhook with Herald's own payload; return the id of its delivery."""
    received = receive(event(body, sent), own=own)
    assert [report.generation_id for report in received.reports] == [samples.GENERATION]
    return received.delivery_id


def refusal(found: Any, providers: str = "", **options: Any) -> tuple[int, str, str, str | None]:
    with pytest.raises(Refused) as refused:
        receive(found, providers, **options)
    return refused.value.status, refused.value.code, str(refused.value), refused.value.field


NOT_FOUND = (404, "not_found", str(webhooks.not_found()), None)


def test_a_signature_with_either_secret_is_valid_during_rotation() -> None:
    for key in (SECRET, OTHER):
        assert accepted(standard_headers(REPORT, key=key), own=f"{SECRET}\n{OTHER}") == "msg_1"


def test_one_of_several_signatures_is_enough() -> None:
    sent = standard_headers(REPORT)
    sent["webhook-signature"] = "v1,AAAA v1a,BBBB " + sent["webhook-signature"]
    assert accepted(sent) == "msg_1"


@pytest.mark.parametrize(
    "around",
    ["v1,A {}", "garbage {}", "v2,a,b {}", "v1,AAAA  {}", "v1,AAAA,{}", "{} v1,A", "{},v1a,BBBB"],
)
def test_no_malformed_entry_hides_a_valid_signature(around: str) -> None:
    sent = standard_headers(REPORT)
    sent["webhook-signature"] = around.format(sent["webhook-signature"])
    assert accepted(sent) == "msg_1"


@pytest.mark.parametrize(
    ("sent", "changes"),
    [
        ({"key": OTHER}, {}),
        ({"body": REPORT + b" "}, {}),
        ({"age": 400}, {}),
        ({"age": -400}, {}),
        ({}, {"webhook-id": None}),
        ({}, {"webhook-timestamp": None}),
        ({}, {"webhook-signature": None}),
        ({}, {"webhook-id": "msg_2"}),
        ({}, {"webhook-timestamp": "soon"}),
        ({}, {"webhook-timestamp": "nan"}),
        ({}, {"webhook-signature": "nonsense"}),
        ({}, {"webhook-signature": "v1,not*base64"}),
        ({}, {"webhook-signature": ""}),
        ({"webhook_id": "x" * 300}, {}),
        ({"webhook_id": "x\0"}, {}),
    ],
)
def test_a_forged_late_or_broken_signature_is_401(
    sent: dict[str, Any], changes: dict[str, str | None]
) -> None:
    changed: dict[str, str | None] = {**standard_headers(**{"body": REPORT, **sent}), **changes}
    found = {name: value for name, value in changed.items() if value is not None}
    assert refusal(event(REPORT, found))[:2] == (401, "bad_signature")


def test_a_signed_body_that_is_not_text_is_422() -> None:
    body = b"\xff\xfe"
    assert refusal(event(body, standard_headers(body)))[::3] == (422, "body")


def test_the_body_is_decoded_as_api_gateway_sent_it() -> None:
    assert webhooks.body_of({"body": "{é}"}, 10) == "{é}".encode()
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert webhooks.body_of({"body": encoded, "isBase64Encoded": True}, 10) == b"\x00\xff"
    assert webhooks.body_of({}, 10) == b""


def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() -> None:
    whole = REPORT + b" " * (MAX_BODY_BYTES - len(REPORT))
    assert accepted(standard_headers(whole), whole) == "msg_1"
    assert refusal(event(whole + b" ", {}))[0] == 413


def test_bad_base64_is_400() -> None:
    assert refusal({"requestContext": {}, "body": "*", "isBase64Encoded": True})[0] == 400


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_is_read_in_the_path_of_its_generation(provider: str) -> None:
    received = receive(signed(provider, SUCCESS[provider]), secret(*PROVIDERS))
    assert (received.provider, received.generation_id) == (provider, samples.GENERATION)
    [report] = received.reports
    assert report.thin or report.state.value == "succeeded"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_webhook_of_another_provider_or_with_another_key_is_refused(provider: str) -> None:
    other = {"secret": OTHER, "token_key": "another key", "user_id": "somebody else"}
    own: Any = {name: other[name] for name in samples.SIGNING_KEYS[provider] if name in other}
    forged = signed(provider, SUCCESS[provider], **own)
    assert refusal(forged, secret(*PROVIDERS))[0] in (401, 404)
    without: Any = {**signed(provider, SUCCESS[provider]), "headers": {}}
    without["pathParameters"] = {"provider": provider, "generation": samples.GENERATION}
    assert refusal(without, secret(*PROVIDERS))[0] in (401, 404)


@pytest.mark.parametrize(
    "path",
    [
        {"provider": "unknown"},
        {"provider": "registry"},
        {"provider": "sagemaker"},
        {"provider": "../fal"},
        {"provider": "REPLICATE"},
        {"provider": "fal"},
        {"provider": "fal", "generation": samples.GENERATION},
        {"provider": "runpod", "generation": "42"},
        {"provider": "runpod", "generation": samples.GENERATION},
        {"provider": "runpod", "generation": samples.GENERATION, "token": "wrong"},
        {"provider": "runpod", "generation": samples.GENERATION, "token": "é"},
        {"provider": "runpod"},
        {"provider": "replicate", "generation": "../42"},
    ],
)
def test_a_path_that_leads_nowhere_always_gets_the_same_answer(path: dict[str, str]) -> None:
    body = SUCCESS["runpod"]
    assert refusal(event(body, {}, path), secret("runpod", "replicate")) == NOT_FOUND


def test_a_capability_is_valid_for_its_generation_only() -> None:
    found: Any = signed("runpod", SUCCESS["runpod"])
    assert receive(found, secret("runpod")).generation_id == samples.GENERATION
    found["pathParameters"]["generation"] = samples.GENERATION.replace("8", "9")
    assert refusal(found, secret("runpod")) == NOT_FOUND


def test_the_reason_is_logged_and_counted_but_not_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    late = signed("replicate", SUCCESS["replicate"], age=1000)
    answer = refusal(late, secret("replicate"))
    forged = signed("replicate", SUCCESS["replicate"], secret=OTHER)
    assert refusal(forged, secret("replicate")) == answer
    logged = capsys.readouterr().out
    assert '"WebhooksNotAuthentic":1' in logged
    assert '"provider":"replicate","reason":"late"' in logged
    assert '"provider":"replicate","reason":"signature"' in logged


def test_an_own_name_of_a_service_leads_to_its_adapter() -> None:
    body = json.dumps({"id": "t1", "status": "done", "outputs": ["https://x/1.png"]}).encode()
    found: Any = signed("hmac", body)
    found["pathParameters"] = {"provider": "acme"}
    received = receive(found, secret(acme={"adapter": "hmac", **entry("hmac")}))
    assert (received.provider, received.generation_id) == ("acme", None)
    assert received.reports[0].provider_id == "t1"


def test_ids_of_deliveries_differ_between_providers() -> None:
    body = SUCCESS["replicate"]
    assert receive(signed("replicate", body), secret("replicate")).delivery_id == (
        "replicate:delivery-1"
    )


def test_own_secrets_move_to_the_secret_of_the_providers() -> None:
    moved = secret(generations={"secrets": [OTHER]})
    assert (
        receive(event(REPORT, standard_headers(REPORT, key=OTHER)), moved, own="").provider
        == "generations"
    )
    assert refusal(event(REPORT, standard_headers(REPORT)), moved)[0] == 401


def test_a_malformed_entry_affects_only_its_provider() -> None:
    providers = secret("replicate", fal={"account": 7})
    assert receive(signed("replicate", SUCCESS["replicate"]), providers).reports
    with pytest.raises(SettingError, match=r"fal\.account"):
        receive(signed("fal", SUCCESS["fal"]), providers)


def test_what_no_adapter_knows_is_counted_and_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    body = json.dumps({"status": "paused", "input": {"prompt": "a secret"}}).encode()
    assert receive(signed("replicate", body), secret("replicate")).reports == []
    logged = capsys.readouterr().out
    assert '"ReportsIgnored":1' in logged
    assert f'"provider":"replicate","type":"paused","bytes":{len(body)}' in logged
    assert "a secret" not in logged


def test_new_keys_of_a_provider_are_fetched_when_a_signature_is_not_valid() -> None:
    published = [{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}, samples.JWKS]
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return json.dumps(published[min(len(fetched), len(published)) - 1]).encode()

    found = door(secret(fal={"account": "user_1"}), fetch=fetch)
    now = [0.0]
    found._public_keys._clock = lambda: now[0]
    with pytest.raises(Refused):
        found.receive(signed("fal", SUCCESS["fal"]))
    now[0] = 61.0
    assert found.receive(signed("fal", SUCCESS["fal"])).provider == "fal"
    assert fetched == ["https://rest.fal.ai/.well-known/jwks.json"] * 2


def test_without_the_providers_keys_the_webhook_must_come_again() -> None:
    def fetch(url: str) -> bytes:
        raise ServiceError("the provider's key server", 0, "no answer")

    with pytest.raises(ServiceError):
        receive(signed("fal", SUCCESS["fal"]), secret(fal={"account": "user_1"}), fetch=fetch)


NAMES = st.sampled_from(
    sorted({name for provider in PROVIDERS for name in samples.delivery(provider, b"{}").headers})
)


@given(st.sampled_from(PROVIDERS), st.dictionaries(NAMES, st.text(max_size=40)), st.text())
def test_no_header_or_token_makes_anything_but_a_refusal(
    provider: str, found: dict[str, str], token: str
) -> None:
    path = {"provider": provider, "generation": samples.GENERATION, "token": token}
    assert refusal(event(b"{}", found, path), secret(*PROVIDERS))[0] in (401, 404)

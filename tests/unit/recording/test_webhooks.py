"""The provider's webhook: signatures, valid and invalid bodies."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from chalicelib.errors import Refused
from chalicelib.recording import webhooks

SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"1" * 32).decode()
COMPLETE = {
    "generationId": "11111111-1111-4111-8111-111111111111",
    "status": "COMPLETE",
    "imageUrl": "https://images.example/1.png",
    "imageHeight": 1024,
    "imageWidth": 768,
}
ERROR = {"generationId": COMPLETE["generationId"], "status": "ERROR"}


def signed(body: bytes, *, secret: str = SECRET, webhook_id: str = "msg_1", age: float = 0) -> Any:
    """The headers of a webhook sent `age` seconds ago."""
    from datetime import UTC, datetime

    sent = datetime.fromtimestamp(time.time() - age, UTC)
    signature = Webhook(secret).sign(webhook_id, sent, body.decode())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": signature,
    }


def test_a_signature_with_either_secret_is_valid_during_rotation() -> None:
    for secret in (SECRET, OTHER):
        headers = signed(b"{}", secret=secret)
        assert webhooks.verify(headers, b"{}", f"{SECRET}\n{OTHER}") == "msg_1"


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed(b"{}")
    headers["webhook-signature"] = "v1,AAAA v1a,BBBB " + headers["webhook-signature"]
    assert webhooks.verify(headers, b"{}", SECRET) == "msg_1"


@pytest.mark.parametrize(
    ("sent", "changes"),
    [
        ({"secret": OTHER}, {}),
        ({"body": b"{} "}, {}),
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
    changed = signed(**{"body": b"{}", **sent}) | changes
    headers = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(Refused) as refused:
        webhooks.verify(headers, b"{}", SECRET)
    assert (refused.value.status, refused.value.code) == (401, "bad_signature")


def test_a_body_that_is_not_text_is_401() -> None:
    with pytest.raises(Refused) as refused:
        webhooks.verify(signed(b"{}"), b"\xff\xfe", SECRET)
    assert refused.value.status == 401


def test_the_body_is_decoded_as_api_gateway_sent_it() -> None:
    assert webhooks.body_of({"body": "{é}"}) == "{é}".encode()
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert webhooks.body_of({"body": encoded, "isBase64Encoded": True}) == b"\x00\xff"
    assert webhooks.body_of({}) == b""


def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() -> None:
    assert webhooks.body_of({"body": "x" * webhooks.MAX_BODY_BYTES})
    with pytest.raises(Refused) as refused:
        webhooks.body_of({"body": "x" * (webhooks.MAX_BODY_BYTES + 1)})
    assert refused.value.status == 413


def test_bad_base64_is_400() -> None:
    with pytest.raises(Refused) as refused:
        webhooks.body_of({"body": "*", "isBase64Encoded": True})
    assert refused.value.status == 400


def test_a_complete_result_is_parsed() -> None:
    result = webhooks.parse(json.dumps(COMPLETE).encode())
    assert (result.status, result.image_width, result.core_model) == ("COMPLETE", 768, None)


def test_an_error_without_a_reason_gets_a_default_one() -> None:
    result = webhooks.parse(ERROR)
    assert result.error is not None
    assert result.error.code == "generation_failed"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"generationId": "42"}, "generationId"),
        ({"generationId": None}, "generationId"),
        ({"status": "PENDING"}, "status"),
        ({"status": "complete"}, "status"),
        ({"imageUrl": "javascript:alert(1)"}, "imageUrl"),
        ({"imageUrl": "https://"}, "imageUrl"),
        ({"imageUrl": "https://x/" + "y" * 2048}, "imageUrl"),
        ({"imageUrl": "https://x/\0"}, "imageUrl"),
        ({"imageUrl": None}, "imageUrl"),
        ({"imageHeight": "1024"}, "imageHeight"),
        ({"imageHeight": 0}, "imageHeight"),
        ({"imageWidth": 65_536}, "imageWidth"),
        ({"imageWidth": None}, "imageWidth"),
        ({"coreModel": ""}, "coreModel"),
        ({"coreModel": "m" * 201}, "coreModel"),
        ({"error": {"code": "x"}}, "error"),
    ],
)
def test_a_bad_field_is_422_and_named(change: dict[str, Any], field: str) -> None:
    for body in (COMPLETE | change, json.dumps(COMPLETE | change).encode()):
        with pytest.raises(Refused) as refused:
            webhooks.parse(body)
        assert (refused.value.status, refused.value.field) == (422, field)
        assert field in str(refused.value)


def test_a_bad_field_within_the_error_is_named_with_its_path() -> None:
    with pytest.raises(Refused) as refused:
        webhooks.parse({**ERROR, "error": {"code": 7}})
    assert refused.value.field == "error.code"


def test_unknown_fields_are_ignored() -> None:
    assert webhooks.parse({**COMPLETE, "cost": 0.01}).status == "COMPLETE"


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_a_random_body_is_always_a_422(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        webhooks.parse(body)
    assert refused.value.status == 422

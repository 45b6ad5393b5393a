"""The provider's webhook: its signature, and the size and encoding of its body."""

import base64
import time
from typing import Any

import pytest
from standardwebhooks import Webhook

from chalicelib.errors import Refused
from chalicelib.recording import webhooks

SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"1" * 32).decode()


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
    "around",
    ["v1,A {}", "garbage {}", "v2,a,b {}", "v1,AAAA  {}", "v1,AAAA,{}", "{} v1,A", "{},v1a,BBBB"],
)
def test_no_malformed_entry_hides_a_valid_signature(around: str) -> None:
    headers = signed(b"{}")
    headers["webhook-signature"] = around.format(headers["webhook-signature"])
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

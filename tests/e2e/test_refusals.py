"""Refused callers and requests get the documented response, and nothing is written."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus

from chalicelib.store.api_keys import fingerprint, new_key
from tests.e2e.conftest import Herald, User

pytestmark = pytest.mark.e2e


def untouched(herald: Herald, generation_id: str) -> bool:
    [(status, version)] = herald.query(
        "SELECT status, version FROM herald.generations WHERE id = %s", generation_id
    )
    return (status, version) == ("PENDING", 1)


def test_a_forged_signature_is_401(alice: User, herald: Herald) -> None:
    generation_id = alice.generation()
    for forged in (
        {"webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": str(int(time.time()) - 400)},
        {"webhook-id": "msg_other"},
    ):
        answer = herald.webhook(generation_id, headers=forged)
        assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")
    assert untouched(herald, generation_id)


def test_a_replayed_webhook_id_is_200_and_changes_nothing(alice: User, herald: Herald) -> None:
    tab = alice.tab()
    tab.hello()
    generation_id, webhook_id = alice.generation(), f"msg_{uuid.uuid4().hex}"
    assert herald.webhook(generation_id, webhook_id=webhook_id).json()["outcome"] == "recorded"
    tab.events(1)
    again = herald.webhook(generation_id, webhook_id=webhook_id)
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    unchanged = herald.webhook(generation_id, status="ERROR", imageUrl=None)
    assert (unchanged.status_code, unchanged.json()["outcome"]) == (200, "unchanged")
    assert tab.silent()
    assert herald.query(
        "SELECT last_offset FROM herald.streams WHERE user_id = %s", alice.name
    ) == [(1,)]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"generationId": str(uuid.uuid4())}, 404, "generationId"),
        ({"generationId": "42"}, 422, "generationId"),
        ({"status": "DONE"}, 422, "status"),
        ({"imageUrl": "file:///etc/passwd"}, 422, "imageUrl"),
        ({"imageUrl": None}, 422, "imageUrl"),
        ({"padding": "x" * 1_100_000}, 413, None),
    ],
)
def test_a_bad_body_is_rejected_naming_the_field(
    alice: User, herald: Herald, change: dict[str, Any], status: int, field: str | None
) -> None:
    generation_id = alice.generation()
    webhook_id = f"msg_{uuid.uuid4().hex}"
    answer = herald.webhook(
        generation_id,
        webhook_id=webhook_id,
        body=json.dumps(
            {
                "generationId": generation_id,
                "status": "COMPLETE",
                "imageUrl": "https://images.example/1.png",
                "imageHeight": 1,
                "imageWidth": 1,
                **change,
            }
        ),
    )
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert answer.json()["message"]
    assert untouched(herald, generation_id)
    assert herald.query("SELECT 1 FROM herald.webhook_receipts WHERE id = %s", webhook_id) == []


def test_a_body_that_is_not_json_is_422(herald: Herald) -> None:
    answer = herald.webhook("", body="not json")
    assert (answer.status_code, answer.json()["field"]) == (422, "body")


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("none", lambda herald: None),
        ("nonsense", lambda herald: "nonsense"),
        ("expired", lambda herald: herald.token(sub="alice", exp=int(time.time()) - 60)),
        ("wrong audience", lambda herald: herald.token(sub="alice", aud="another")),
        ("wrong issuer", lambda herald: herald.token(sub="alice", iss="another")),
        ("no subject", lambda herald: herald.token()),
    ],
)
@pytest.mark.parametrize("by", ["subprotocol", "header"])
def test_a_missing_or_invalid_credential_is_401(
    herald: Herald, name: str, token: Callable[[Herald], str | None], by: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        herald.open(token(herald), by=by)
    assert refused.value.response.status_code == 401


def test_a_token_in_the_query_string_is_ignored(alice: User, herald: Herald) -> None:
    from websockets.sync.client import connect

    url = f"{herald.env['HERALD_WEBSOCKET_URL']}?token={alice.token()}"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, proxy=None)
    assert refused.value.response.status_code == 401


def test_an_unknown_origin_is_403_and_the_studios_is_allowed(alice: User, herald: Herald) -> None:
    with pytest.raises(InvalidStatus) as refused:
        alice.tab(origin="https://evil.example")
    assert refused.value.response.status_code == 403
    assert alice.tab(origin=herald.env["HERALD_STUDIO_URL"]).hello()


def test_an_unsupported_subprotocol_is_refused(alice: User, herald: Herald) -> None:
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as refused:
        connect(
            herald.env["HERALD_WEBSOCKET_URL"],
            subprotocols=["herald.v9", f"bearer.{alice.token()}"],  # type: ignore[list-item]
            proxy=None,
        )
    assert refused.value.response.status_code == 400


def test_another_users_stream_cannot_be_read(alice: User, bob: User) -> None:
    """The token determines whose stream is read, so a cursor of another user only leads to a
    gap.
    """
    bobs = bob.tab()
    bobs.hello()
    bob.finished()
    [seen] = bobs.events(1)
    tab = alice.tab()
    tab.hello({"epoch": seen["epoch"], "offset": 0})
    gap = tab.hear()
    assert (gap["reason"], gap["epoch"], gap["head"]) == ("epoch_changed", None, 0)
    tab.say(action="history", id=2, since=0)
    assert tab.hear() == {"type": "caught_up", "re": 2, "offset": 0}


def test_an_api_key_opens_its_owners_stream(alice: User, herald: Herald) -> None:
    key_id, key = new_key()
    herald.client("dynamodb").put_item(
        TableName=herald.env["HERALD_API_KEYS_TABLE"],
        Item={
            "key_id": {"S": key_id},
            "user_id": {"S": alice.name},
            "key_sha256": {"S": fingerprint(key)},
        },
    )
    tab = herald.open(None, additional_headers={"x-api-key": key})
    assert tab.hello()["token_ms"] is None
    generation_id = alice.finished()
    assert tab.events(1)[0]["event"]["subject"] == generation_id
    with pytest.raises(InvalidStatus):
        herald.open(None, additional_headers={"x-api-key": f"hk_{key_id}_{'0' * 64}"})


def test_a_malformed_api_key_is_401(herald: Herald) -> None:
    with pytest.raises(InvalidStatus) as refused:
        herald.open(None, additional_headers={"x-api-key": f"hk_{'a' * 3000}_b"})
    assert refused.value.response.status_code == 401


def test_a_bad_frame_gets_an_error_and_the_connection_stays_open(alice: User) -> None:
    tab = alice.tab()
    tab.socket.send(json.dumps({"action": "dance", "id": 9}))
    error = tab.hear()
    assert (error["type"], error["re"], error["code"]) == ("error", 9, 4012)
    for text in ("not json", "[" * 100_000, '{"action":"dance","id":"\\ud800"}'):
        tab.socket.send(text)
        error = tab.hear()
        assert (error["type"], error["re"], error["code"]) == ("error", None, 4012)
    assert tab.hello()


def test_a_token_that_expires_while_connected_closes_the_connection(
    alice: User, herald: Herald
) -> None:
    # The authorizer accepts an expired token within the leeway, but the connection expires with the
    # token.
    tab = herald.open(alice.token(exp=int(time.time()) - 2))
    tab.say(action="ping", id=1)
    close = tab.hear()
    assert (close["type"], close["code"], close["reconnect"]) == ("close", 4202, "now")
    from websockets.exceptions import ConnectionClosed

    with pytest.raises(ConnectionClosed):
        tab.hear()


def test_a_fresh_token_keeps_the_connection_open(alice: User, bob: User, herald: Herald) -> None:
    tab = herald.open(alice.token(exp=int(time.time()) - 2))
    tab.say(action="auth", id=4, token=alice.token())
    ok = tab.hear()
    assert (ok["type"], ok["re"]) == ("auth_ok", 4)
    generation_id = alice.finished()
    assert tab.events(1)[0]["event"]["subject"] == generation_id
    tab.say(action="auth", id=5, token=bob.token())
    assert tab.hear()["code"] == 4003


def test_a_right_to_send_messages_is_not_enough_to_send_an_event(herald: Herald) -> None:
    queue, iam = herald.env["HERALD_QUEUE_URL"], herald.client("iam")
    everything = {"Effect": "Allow", "Action": ["sqs:GetQueueAttributes", "sqs:SendMessage"]}
    policy = {"Version": "2012-10-17", "Statement": [{**everything, "Resource": "*"}]}
    iam.create_user(UserName="sender")
    iam.put_user_policy(UserName="sender", PolicyName="send", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="sender")["AccessKey"]
    try:
        sender = boto3.client(
            "sqs",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            endpoint_url=herald.env["AWS_ENDPOINT_URL"],
            region_name=herald.env["AWS_REGION"],
        )
        assert sender.get_queue_attributes(QueueUrl=queue)
        with pytest.raises(ClientError) as refused:
            sender.send_message(QueueUrl=queue, MessageBody="{}")
        assert "AccessDenied" in refused.value.response["Error"]["Code"]
    finally:
        iam.delete_access_key(UserName="sender", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="sender", PolicyName="send")
        iam.delete_user(UserName="sender")

"""Rejected webhooks, clock skew and permissions: rows 26 and 29 of the table in README.md."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from tests.faults.background import eventually
from tests.faults.stack import result

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.stack import FaultStack, Tab

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("age", "status"),
    [(4, 200), (-4, 200), (6, 401), (-6, 401)],
    ids=["slow by 4 min", "fast by 4 min", "slow by 6 min", "fast by 6 min"],
)
def test_row_26_the_providers_clock_is_off(
    fault_stack: FaultStack, user: str, age: int, status: int
) -> None:
    generation = fault_stack.generation(user)
    assert fault_stack.callback(generation, age=timedelta(minutes=age)).status == status
    assert fault_stack.status(generation) == ("COMPLETE" if status == 200 else "PENDING")


def test_a_replayed_webhook_changes_nothing(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    tab, generation = open_tab(user), fault_stack.generation(user)
    first = fault_stack.callback(generation, webhook_id="msg_" + generation)
    again = fault_stack.callback(generation, webhook_id="msg_" + generation)
    other = fault_stack.callback(generation, status="ERROR")
    assert [answer.body["outcome"] for answer in (first, again, other)] == [
        "recorded", "duplicate", "unchanged",
    ]  # fmt: skip
    assert fault_stack.status(generation) == "COMPLETE"
    tab.sees(generation)
    assert len(fault_stack.outbox(user)) == 1


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"status": "DONE"}, 422, "status"),
        ({"imageUrl": "ftp://x"}, 422, "imageUrl"),
        ({"imageUrl": None}, 422, "imageUrl"),
        ({"generationId": str(uuid.uuid4())}, 404, "generationId"),
        ({"coreModel": "x" * 1_100_000}, 413, None),
    ],
    ids=["status", "scheme", "field missing", "unknown generation", "too large"],
)
def test_a_rejected_webhook_writes_nothing(
    fault_stack: FaultStack, user: str, change: dict[str, Any], status: int, field: str | None
) -> None:
    generation = fault_stack.generation(user)
    answer = fault_stack.callback(generation, body={**result(generation), **change})
    assert (answer.status, answer.body.get("field")) == (status, field)
    assert fault_stack.status(generation) == "PENDING"
    assert fault_stack.outbox(user) == []


def test_a_webhook_signed_for_another_body_is_rejected(fault_stack: FaultStack, user: str) -> None:
    generation = fault_stack.generation(user)
    headers = fault_stack.signed("{}", "msg_1")
    answer = httpx.post(
        fault_stack.env["HERALD_CALLBACK_URL"], json=result(generation), headers=headers
    )
    assert answer.status_code == 401
    assert fault_stack.status(generation) == "PENDING"


@pytest.mark.parametrize(
    ("handler", "service", "operation", "arguments"),
    [
        ("deliver", "sns", "publish", {"TopicArn": "HERALD_TOPIC_ARN", "Message": "x"}),
        ("deliver", "secretsmanager", "get_secret_value", {"SecretId": "herald-local-database"}),
        ("callback", "dynamodb", "scan", {"TableName": "HERALD_INBOX_TABLE"}),
        ("callback", "sqs", "receive_message", {"QueueUrl": "HERALD_QUEUE_URL"}),
        ("connect", "dynamodb", "scan", {"TableName": "HERALD_CONNECTIONS_TABLE"}),
        ("message", "dynamodb", "scan", {"TableName": "HERALD_API_KEYS_TABLE"}),
    ],
)
def test_row_29_a_function_has_no_rights_beyond_its_own(
    fault_stack: FaultStack,
    open_tab: Callable[..., Tab],
    user: str,
    handler: str,
    service: Any,
    operation: str,
    arguments: dict[str, str],
) -> None:
    # Given the credentials of a running function
    tab, generation = open_tab(user), fault_stack.generation(user)
    fault_stack.callback(generation)
    tab.sees(generation)
    worker = eventually(lambda: fault_stack.workers(handler), f"{handler} runs")[0].environ()
    client: Any = boto3.client(
        service,
        endpoint_url=fault_stack.env["AWS_ENDPOINT_URL"],
        region_name=fault_stack.env["AWS_REGION"],
        aws_access_key_id=worker["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=worker["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=worker["AWS_SESSION_TOKEN"],
    )
    # When they are used for something else, then access is denied
    given = {name: fault_stack.env.get(value, value) for name, value in arguments.items()}
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**given)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    assert "not authorized" in str(refused.value)

"""The SNS client on the engine, with moto's SNS and SQS, and with a scripted server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.aws.sns import BatchResult, Entry, Sns
from chalicelib.engine.engine import Engine
from chalicelib.errors import ServiceError
from tests.integration.engine.scripted import Server, answer, close_after, each

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-central-1"
MESSAGE = json.dumps({"prompt": "Zoë & 😀 <b>+ %20", "lines": "a\nb"}, ensure_ascii=False)
ERROR = (
    b'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
    b"<Code>%s</Code><Message>why</Message></Error></ErrorResponse>"
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def engine() -> Iterator[Engine]:
    created = Engine()
    yield created
    created.close()


def sns_at(engine: Engine, url: str) -> Sns:
    environ = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": url}
    return Sns(engine, environ, sleep=lambda seconds: None)


def soon() -> float:
    return time.monotonic() + 10


@pytest.fixture
def topic(moto: str) -> str:
    client: Any = boto3.client("sns", endpoint_url=moto, region_name=REGION)
    found: str = client.create_topic(Name="events")["TopicArn"]
    return found


@pytest.fixture
def queue(moto: str, topic: str) -> Any:
    """A function that receives the messages of a queue with raw delivery from the topic."""
    sqs: Any = boto3.client("sqs", endpoint_url=moto, region_name=REGION)
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    boto3.client("sns", endpoint_url=moto, region_name=REGION).subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:123456789012:q",
        Attributes={"RawMessageDelivery": "true"},
    )

    def received() -> list[tuple[str, dict[str, str]]]:
        found = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return [
            (
                each["Body"],
                {k: v["StringValue"] for k, v in each.get("MessageAttributes", {}).items()},
            )
            for each in found
        ]

    return received


def test_a_message_arrives_unchanged_with_its_attributes(
    engine: Engine, moto: str, topic: str, queue: Any
) -> None:
    attributes = {"type": "a+b", "status": "COMPLETE"}
    sns_at(engine, moto).publish(topic, MESSAGE, attributes=attributes, deadline=soon())
    assert queue() == [(MESSAGE, attributes)]


def test_a_batch_arrives_and_says_what_was_accepted(
    engine: Engine, moto: str, topic: str, queue: Any
) -> None:
    entries = [Entry(f"id-{n}", f"{n} {MESSAGE}", {"n": str(n)}) for n in range(8)]
    result = sns_at(engine, moto).publish_batch(topic, entries, deadline=soon())
    assert result == BatchResult([entry.id for entry in entries], {})
    assert sorted(queue()) == [(entry.message, dict(entry.attributes)) for entry in entries]


def test_an_unknown_topic_is_named_by_its_error_code(engine: Engine, moto: str) -> None:
    with pytest.raises(ServiceError) as failure:
        sns_at(engine, moto).publish(
            f"arn:aws:sns:{REGION}:123456789012:none", "x", deadline=soon()
        )
    assert failure.value.code == "NotFound"


def scripted(engine: Engine, *answers: bytes) -> tuple[str, int]:
    """Publish to a server with these answers; return the error code and the number of tries."""
    with Server(each(*answers)) as server:
        try:
            sns_at(engine, f"http://127.0.0.1:{server.port}").publish("arn", "x", deadline=soon())
        except ServiceError as failure:
            return failure.code, len(server.requests)
        return "", len(server.requests)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, b"Throttling"), (403, b"AuthorizationError"), (500, b"InternalFailure"), (400, b"KMS")],
)
def test_a_failed_request_is_attempted_three_times(
    engine: Engine, status: int, code: bytes
) -> None:
    assert scripted(engine, answer(status, ERROR % code)) == (code.decode(), 3)


def test_two_errors_and_a_success_are_a_success(engine: Engine) -> None:
    error = answer(503, b"<html>busy</html>")
    assert scripted(engine, error, error, answer(200, b"<PublishResponse/>")) == ("", 3)


def test_a_message_whose_response_is_cut_off_is_published_again(engine: Engine) -> None:
    whole = answer(200, b"<PublishResponse/>")
    with Server(close_after(whole[:-5]), each(whole)) as server:
        sns_at(engine, f"http://127.0.0.1:{server.port}").publish("arn", "x", deadline=soon())
        assert len(server.requests) == 2


def test_an_error_that_blames_the_message_is_not_tried_again(engine: Engine) -> None:
    with Server(each(answer(400, ERROR % b"InvalidParameter"))) as server:
        with pytest.raises(ServiceError) as failure:
            sns_at(engine, f"http://127.0.0.1:{server.port}").publish_batch(
                "arn", [Entry("1", "x", {})], deadline=soon()
            )
        assert failure.value.blames_request
        assert len(server.requests) == 1


def test_the_entries_that_sns_refuses_are_named(engine: Engine) -> None:
    body = (
        b'<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
        b"<PublishBatchResult><Failed><member><Id>b</Id><Code>InternalError</Code>"
        b"<SenderFault>false</SenderFault></member></Failed><Successful><member>"
        b"<MessageId>m</MessageId><Id>a</Id></member></Successful></PublishBatchResult>"
        b"</PublishBatchResponse>"
    )
    with Server(each(answer(200, body))) as server:
        result = sns_at(engine, f"http://127.0.0.1:{server.port}").publish_batch(
            "arn", [Entry("a", "x", {}), Entry("b", "y", {})], deadline=soon()
        )
    assert result == BatchResult(["a"], {"b": "InternalError"})

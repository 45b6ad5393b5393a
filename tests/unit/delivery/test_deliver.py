"""Delivery with all possible responses of DynamoDB, which a scripted engine returns."""

import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from chalicelib.aws.gateway import Gateway
from chalicelib.aws.service import DYNAMODB, Service, worth_a_retry
from chalicelib.delivery.deliver import Deliver
from chalicelib.engine.engine import Engine, Request, Response
from chalicelib.store.connections import Connections
from chalicelib.store.inbox import Inbox
from tests.builders import Context, event, progress, sqs

ENVIRON = {"AWS_REGION": "eu-central-1"}
STORED = Response(200, b'{"UnprocessedItems":{}}')
NO_CONNECTIONS = Response(200, b'{"Responses":{"connections":[]},"UnprocessedKeys":{}}')


Puts = list[dict[str, Any]]


class ScriptedEngine:
    """A fake engine that returns scripted responses to BatchWriteItem, returns no connections, and
    records the writes.
    """

    def __init__(self, write: Callable[[Puts], Response]) -> None:
        self._write = write
        self._waiting: deque[tuple[Request, Callable[[Response], None]]] = deque()
        self.writes: list[list[str]] = []
        self.read: Callable[[list[Any]], Response] = lambda keys: NO_CONNECTIONS

    def submit(self, request: Request, then: Callable[[Response], None]) -> None:
        self._waiting.append((request, then))

    def run(self, deadline: float) -> None:
        while self._waiting:
            request, then = self._waiting.popleft()
            then(self._answer(request))

    def call_all(self, requests: Iterable[Request], deadline: float) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        if not dict(request.headers)["x-amz-target"].endswith("BatchWriteItem"):
            return self.read(json.loads(request.body)["RequestItems"]["connections"]["Keys"])
        puts: Puts = json.loads(request.body)["RequestItems"]["inbox"]
        self.writes.append([owner(put) for put in puts])
        return self._write(puts)


def owner(put: dict[str, Any]) -> str:
    return str(put["PutRequest"]["Item"]["user_id"]["S"])


def run(engine: ScriptedEngine, *texts: str) -> list[str]:
    scripted = cast(Engine, engine)  # has only the methods that are used
    dynamodb = Service(scripted, DYNAMODB, ENVIRON)
    gateway = Gateway("http://127.0.0.1:1/test", ENVIRON)
    tables = (Connections(dynamodb, "connections"), Inbox(dynamodb, "inbox", 7))
    answer = Deliver(scripted, gateway, *tables, "test", 3).handle(
        sqs(*(texts or (event("alice"), event("bob")))), Context()
    )
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def refused(code: str) -> Response:
    return Response(400, json.dumps({"__type": f"com.amazonaws#{code}"}).encode())


def test_unprocessed_writes_fail_and_the_rest_is_delivered() -> None:
    def write(puts: Puts) -> Response:
        left = [put for put in puts if owner(put) == "bob"][:1]
        return Response(200, json.dumps({"UnprocessedItems": {"inbox": left}}).encode())

    assert run(ScriptedEngine(write)) == ["m1"]


@pytest.mark.parametrize(
    "answer",
    [
        refused("ValidationException"),
        refused("SerializationException"),
        refused("ItemCollectionSizeLimitExceededException"),
        refused("AnErrorOfTomorrow"),
        Response(413, b""),
    ],
)
def test_a_batch_with_a_rejected_item_is_written_item_by_item(
    answer: Response,
) -> None:
    def write(puts: Puts) -> Response:
        return answer if "bob" in map(owner, puts) else STORED

    engine = ScriptedEngine(write)
    assert run(engine) == ["m1"]
    assert engine.writes == [
        ["alice", "bob"],
        ["alice"],
        ["bob"],
    ]


def test_users_with_unprocessed_reads_fail_alone() -> None:
    engine = ScriptedEngine(lambda puts: STORED)
    left = {"connections": {"Keys": [{"user_id": {"S": "bob"}}]}}
    answer = Response(200, json.dumps({"Responses": {}, "UnprocessedKeys": left}).encode())
    engine.read = lambda keys: answer
    assert run(engine) == ["m1"]


def test_users_are_read_one_by_one_when_one_key_of_the_read_is_rejected() -> None:
    def read(keys: list[Any]) -> Response:
        return (
            refused("SerializationException")
            if {"user_id": {"S": "bob"}} in keys
            else NO_CONNECTIONS
        )

    engine = ScriptedEngine(lambda puts: STORED)
    engine.read = read
    assert run(engine) == ["m1"]


@pytest.mark.parametrize(
    "code",
    [
        "AccessDeniedException",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "ResourceNotFoundException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "KMSAccessDeniedException",
    ],
)
def test_a_batch_refused_for_another_reason_is_not_split(code: str) -> None:
    engine = ScriptedEngine(lambda puts: refused(code))
    assert run(engine) == ["m0", "m1"]
    assert len(engine.writes) == 1


def test_every_event_takes_one_write() -> None:
    engine = ScriptedEngine(lambda puts: STORED)
    assert run(engine, progress("alice"), event("bob")) == []
    assert engine.writes == [["bob", "alice"]]


@pytest.mark.parametrize("code", ["ValidationException", "ThrottlingException"])
def test_a_progress_event_that_is_not_stored_is_not_received_again(code: str) -> None:
    assert run(ScriptedEngine(lambda puts: refused(code)), progress("alice")) == []


def test_a_progress_event_that_is_not_stored_makes_no_result_of_its_user_fail() -> None:
    def unprocessed(puts: Puts) -> Response:
        return Response(200, json.dumps({"UnprocessedItems": {"inbox": puts[-1:]}}).encode())

    def invalid(puts: Puts) -> Response:
        is_progress = [
            "progress" in put["PutRequest"]["Item"].get("event", {"S": ""})["S"] for put in puts
        ]
        return refused("ValidationException") if any(is_progress) else STORED

    for write in (unprocessed, invalid):
        assert run(ScriptedEngine(write), event("alice", 1), progress("alice", 2)) == []


def test_a_progress_event_is_not_received_again_when_a_result_of_its_user_is() -> None:
    engine = ScriptedEngine(lambda puts: refused("ThrottlingException"))
    assert run(engine, progress("alice", 2), event("alice", 1)) == ["m1"]


def test_a_progress_event_is_not_received_again_when_the_connections_are_not_read() -> None:
    engine = ScriptedEngine(lambda puts: STORED)
    engine.read = lambda keys: refused("AccessDeniedException")
    assert run(engine, progress("alice"), event("bob")) == ["m1"]


@pytest.mark.parametrize(
    ("status", "body", "again"),
    [
        (200, b'{"UnprocessedItems":{}}', False),
        (200, b'{"UnprocessedItems":{"inbox":[{"PutRequest":{}}]}}', True),
        (200, b'{"UnprocessedKeys":{"connections":{"Keys":[]}}}', True),
        (200, b'{"Items":[{"event":{"S":"UnprocessedItems"}}]}', False),
        (200, json.dumps({"S": '{"UnprocessedItems":{"inbox":[1]}}'}).encode(), False),
        (200, b'{"UnprocessedKeys": {"connections": {"Keys": []}}}', True),
        (200, b'{"Responses":{},"UnprocessedKeys": {}}', False),
        (400, b'{"__type":"com.amazonaws.dynamodb#ThrottlingException"}', True),
        (400, b'{"__type":"com.amazonaws.dynamodb#ProvisionedThroughputExceededException"}', True),
        (400, b'{"__type":"com.amazonaws.dynamodb#ValidationException"}', False),
        (403, b"", False),
        (429, b"", True),
        (500, b"", True),
        (503, b"", True),
    ],
)
def test_only_temporary_failures_are_retried(status: int, body: bytes, again: bool) -> None:
    assert worth_a_retry(status, body) is again

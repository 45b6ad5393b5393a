"""What DynamoDB may say to a batch of writes, from an engine that answers by a script."""

import json
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.aws import service
from chalicelib.delivery import deliver
from chalicelib.engine.engine import Request, Response
from tests.integration.builders import event, sqs

CONFIG = settings.Deliver("test", "connections", "inbox", 7, "http://127.0.0.1:1/test", 100, 3)
STORED = Response(200, b'{"UnprocessedItems":{}}')
NOBODY = Response(200, b'{"Responses":{"connections":[]},"UnprocessedKeys":{}}')


Puts = list[dict[str, Any]]


class ScriptedEngine:
    """Answers BatchWriteItem from a script and finds no connections; keeps what was written."""

    def __init__(self, write: Callable[[Puts], Response]) -> None:
        self._write = write
        self._waiting: deque[tuple[Request, Callable[[Response], None]]] = deque()
        self.writes: list[list[str]] = []
        self.read = NOBODY

    def submit(self, request: Request, then: Callable[[Response], None]) -> None:
        self._waiting.append((request, then))

    def run(self, deadline: float) -> None:
        while self._waiting:
            request, then = self._waiting.popleft()
            then(self._answer(request))

    def _answer(self, request: Request) -> Response:
        if not dict(request.headers)["x-amz-target"].endswith("BatchWriteItem"):
            return self.read
        puts: Puts = json.loads(request.body)["RequestItems"]["inbox"]
        self.writes.append([owner(put) for put in puts])
        return self._write(puts)


def owner(put: dict[str, Any]) -> str:
    return str(put["PutRequest"]["Item"]["user_id"]["S"])


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


def run(engine: ScriptedEngine) -> list[str]:
    batch = deliver.Batch(CONFIG, engine)  # type: ignore[arg-type] # as much of it as is used
    for record in sqs(event("alice"), event("bob"))["Records"]:
        batch.add(record)
    return batch.run(0)


def refused(code: str) -> Response:
    return Response(400, json.dumps({"__type": f"com.amazonaws#{code}"}).encode())


def test_what_dynamodb_had_no_room_for_fails_and_the_rest_is_delivered() -> None:
    def write(puts: Puts) -> Response:
        left = [put for put in puts if owner(put) == "bob"][:1]
        return Response(200, json.dumps({"UnprocessedItems": {"inbox": left}}).encode())

    assert run(ScriptedEngine(write)) == ["m1"]


def test_a_batch_with_an_item_that_is_not_valid_is_written_one_by_one() -> None:
    def write(puts: Puts) -> Response:
        return refused("ValidationException") if "bob" in map(owner, puts) else STORED

    engine = ScriptedEngine(write)
    assert run(engine) == ["m1"]
    assert engine.writes == [
        ["alice", "alice", "bob", "bob"],
        ["alice"],
        ["alice"],
        ["bob"],
        ["bob"],
    ]


def test_users_whose_connections_dynamodb_had_no_room_for_fail_alone() -> None:
    engine = ScriptedEngine(lambda puts: STORED)
    left = {"connections": {"Keys": [{"user_id": {"S": "bob"}}]}}
    engine.read = Response(200, json.dumps({"Responses": {}, "UnprocessedKeys": left}).encode())
    assert run(engine) == ["m1"]


def test_a_batch_that_is_denied_is_not_taken_apart() -> None:
    engine = ScriptedEngine(lambda puts: refused("AccessDeniedException"))
    assert run(engine) == ["m0", "m1"]
    assert len(engine.writes) == 1


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
def test_only_what_may_pass_is_tried_again(status: int, body: bytes, again: bool) -> None:
    assert service.endpoint(service.DYNAMODB).retryable(status, body) is again

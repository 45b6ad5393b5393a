"""The bill counts what the functions do: their requests, items, frames and log lines.

The functions run as on AWS, with moto and a scripted @connections. The engine's requests are
recorded.
"""

import json
import time
from collections import Counter
from typing import Any

import jwt
import pytest

from chalicelib.engine.engine import Engine
from chalicelib.engine.request import Request
from chalicelib.runtime import Runtime
from cli.cost.quantities import KEEPALIVE, LAMBDA_STAMP, LOGGED, NOTIFICATION, OPENING, RENEWAL
from tests.builders import Context, event, sqs, websocket
from tests.integration.conftest import JWT_SECRET, Gateway

pytestmark = pytest.mark.integration

USER = "3f6c1d8e-5b7a-4c2d-9e10-a1b2c3d4e5f6"
CONNECTION = "UhJ3fejAliACJtA="


class Recorder:
    """The requests of the engine since the last look."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def taken(self) -> Counter[str]:
        """Return the number of requests by DynamoDB operation, or by HTTP method."""
        found = Counter(map(_operation, self.requests))
        self.requests.clear()
        return found


def _operation(request: Request) -> str:
    headers = dict(request.headers)
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), "")
    return target.rpartition(".")[2] or request.method


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found, submit = Recorder(), Engine.submit

    def recorded(engine: Engine, request: Request, then: Any) -> None:
        found.requests.append(request)
        submit(engine, request, then)

    monkeypatch.setattr(Engine, "submit", recorded)
    return found


def token() -> str:
    now = int(time.time())
    claims = {"sub": USER, "iss": "issuer", "aud": "herald", "iat": now, "exp": now + 3600}
    return jwt.encode(claims, JWT_SECRET, "HS256")


def frame(action: str, **fields: Any) -> Any:
    text = {"action": action, "id": 1, **fields}
    return websocket(text, user_id=USER, connection_id=CONNECTION)


def logged(capsys: pytest.CaptureFixture[str]) -> int:
    """Return the bytes that CloudWatch receives for the lines that were written."""
    lines = capsys.readouterr().out.splitlines()
    return sum(len(line.encode()) + 1 + LAMBDA_STAMP for line in lines)


def test_a_connections_requests_and_lines_are_billed(
    runtime: Runtime, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.connect.handle(frame("connect"))
    connected = recorder.taken()
    assert logged(capsys) <= LOGGED["connect"]
    answer = runtime.message.handle(frame("hello"))
    said = recorder.taken()
    assert logged(capsys) == LOGGED["message-hello"]
    pong = runtime.message.handle(frame("ping"))
    assert recorder.taken() == {"Query": KEEPALIVE.ping_reads}
    assert logged(capsys) == LOGGED["message-ping"]
    renewed = runtime.message.handle(frame("auth", token=token()))
    assert recorder.taken()["UpdateItem"] == RENEWAL.writes
    assert logged(capsys) == LOGGED["message-auth"]
    runtime.disconnect.handle(frame("disconnect"))
    left = recorder.taken()
    assert logged(capsys) == LOGGED["disconnect"]
    answers = [json.loads(each["body"])["type"] for each in (answer, pong, renewed)]
    assert answers == ["welcome", "pong", "auth_ok"]
    written = connected["UpdateItem"] + said["UpdateItem"] + left["UpdateItem"]
    assert (written, said["Query"] + said["GetItem"]) == (OPENING.writes, OPENING.reads)
    assert said["POST"] == 0, "the answer is the response of the route"


def test_a_notifications_requests_items_and_lines_are_billed(
    runtime: Runtime, recorder: Recorder, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.connect.handle(frame("connect"))
    recorder.taken()
    capsys.readouterr()
    text = event(USER, 123_456, prompt="p" * 300)
    assert runtime.deliver.handle(sqs(text), Context()) == {"batchItemFailures": []}
    [puts] = [
        json.loads(request.body)["RequestItems"]["inbox"]
        for request in recorder.requests
        if _operation(request) == "BatchWriteItem"
    ]
    assert len(puts) == NOTIFICATION.rows
    assert recorder.taken() == {"BatchWriteItem": 1, "BatchGetItem": 1, "POST": 1}
    assert 0.9 * LOGGED["deliver"] <= logged(capsys) <= LOGGED["deliver"]
    size = item_bytes(puts[0]["PutRequest"]["Item"]) - len(text)
    assert 0.9 * NOTIFICATION.item_overhead <= size <= NOTIFICATION.item_overhead
    [posted] = gateway.posted[CONNECTION]
    assert len(posted) - len(text) == pytest.approx(NOTIFICATION.frame_overhead, abs=8)


def item_bytes(item: dict[str, dict[str, str]]) -> int:
    """Return the size of an item by DynamoDB's rules: names and values; numbers take less."""
    return sum(
        len(name) + (len(value["S"]) if "S" in value else len(value["N"]) // 2 + 1)
        for name, value in item.items()
    )

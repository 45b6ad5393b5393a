"""Invocations of other Lambda functions, over HTTP, and the frame that uses one."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.aws import reconcile_events
from chalicelib.aws.functions import Function
from chalicelib.engine.engine import Engine
from chalicelib.errors import ServiceError
from tests.builders import websocket
from tests.fakes.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.runtime import Runtime

pytestmark = pytest.mark.integration

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"


class Lambda(HttpServer):
    """The part of Lambda's API that invokes functions; it answers with a status and a body."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert "/lambda/aws4_request" in self.headers["authorization"]
                kind = self.headers["x-amz-invocation-type"]
                api.requests.append((self.path, kind, json.loads(body)))
                self.send_response(api.status)
                self.send_header("content-length", str(len(api.body)))
                self.end_headers()
                self.wfile.write(api.body)

            def log_message(self, *arguments: Any) -> None:
                pass

        super().__init__(Handler)


@pytest.fixture
def aws(environment: dict[str, str]) -> Iterator[Lambda]:
    found = Lambda()
    environment["AWS_ENDPOINT_URL_LAMBDA"] = found.url
    yield found
    found.stop()


@pytest.fixture
def function(aws: Lambda, environment: dict[str, str]) -> Iterator[Function]:
    engine = Engine()
    yield Function(engine, environment, "herald-test-reconcile")
    engine.close()


def test_an_event_is_queued(function: Function, aws: Lambda) -> None:
    aws.status, aws.body = 202, b""
    function.send(reconcile_events.resolve("openai", "resp_1"))
    [(path, kind, event)] = aws.requests
    assert path == "/2015-03-31/functions/herald-test-reconcile/invocations"
    assert (kind, event["detail-type"]) == ("Event", "herald.resolve")
    assert event["detail"] == {"provider": "openai", "provider_id": "resp_1"}


def test_an_answer_is_returned(function: Function, aws: Lambda) -> None:
    aws.body = b'{"outcome": "canceled"}'
    assert function.call(reconcile_events.cancel(GENERATION, "alice")) == {"outcome": "canceled"}
    [(_, kind, event)] = aws.requests
    assert kind == "RequestResponse"
    assert event["detail"] == {"generation": GENERATION, "user": "alice"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"{}"),
        (429, b"{}"),
        (500, b"{}"),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"errorMessage": "boom", "errorType": "ValueError"}'),
    ],
)
def test_a_failure_is_an_error(function: Function, aws: Lambda, status: int, body: bytes) -> None:
    aws.status, aws.body = status, body
    with pytest.raises(ServiceError):
        function.call(reconcile_events.cancel(GENERATION, "alice"))


def answer(runtime: Runtime, frame: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(runtime.message.handle(websocket(frame))["body"])
    return found


def test_a_cancel_frame_names_its_user_and_gets_the_outcome(
    dynamodb: Any, aws: Lambda, runtime: Runtime
) -> None:
    aws.body = b'{"outcome": "canceled", "atProvider": "accepted"}'
    frame = {"action": "cancel", "id": 5, "generation": GENERATION.upper()}
    assert answer(runtime, frame) == {"type": "cancel_ok", "re": 5, "generation": GENERATION}
    [(_, _, event)] = aws.requests
    assert event["detail"] == {"generation": GENERATION, "user": "alice"}


def test_what_cannot_be_canceled_gets_4013(dynamodb: Any, aws: Lambda, runtime: Runtime) -> None:
    aws.body = b'{"outcome": "not_cancelable"}'
    found = answer(runtime, {"action": "cancel", "id": "c", "generation": GENERATION})
    assert (found["type"], found["code"], found["name"]) == ("error", 4013, "not_cancelable")
    assert (found["re"], found["retry_after_ms"]) == ("c", 0)


def test_a_cancellation_that_fails_asks_the_client_to_retry(
    dynamodb: Any, aws: Lambda, runtime: Runtime
) -> None:
    aws.status = 500
    found = answer(runtime, {"action": "cancel", "id": 6, "generation": GENERATION})
    assert (found["code"], found["re"], found["retry_after_ms"]) == (4100, 6, 2000)


def test_a_malformed_id_is_refused_without_an_invocation(
    dynamodb: Any, aws: Lambda, runtime: Runtime
) -> None:
    found = answer(runtime, {"action": "cancel", "id": 7, "generation": "x"})
    assert (found["code"], found["message"].startswith("generation: ")) == (4012, True)
    assert aws.requests == []

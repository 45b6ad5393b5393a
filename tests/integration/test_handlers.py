"""Every handler of app/app.py with the events that AWS documents, in tests/events/.

Placeholders in angle brackets are replaced with values that depend on the time or on a secret.
"""

import base64
import importlib
import json
import pathlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import boto3
import jwt
import pytest
from standardwebhooks import Webhook

from chalicelib import settings
from chalicelib.aws import reconcile_events
from chalicelib.runtime import Runtime
from tests.builders import Context, connected, event, open_connections
from tests.integration.conftest import JWT_SECRET

pytestmark = pytest.mark.integration

EVENTS = pathlib.Path(__file__).parents[1] / "events"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()


def load(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def token() -> str:
    now = int(time.time())
    claims = {"sub": "alice", "iss": "issuer", "aud": "herald", "iat": now, "exp": now + 600}
    return jwt.encode(claims, JWT_SECRET, "HS256")


@pytest.fixture
def handlers(
    dynamodb: Any,
    environment: dict[str, str],
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ModuleType]:
    """app/app.py with a runtime in that environment and a separate database."""
    secrets, sns = boto3.client("secretsmanager"), boto3.client("sns")
    secrets.create_secret(Name="database", SecretString=fresh_database)
    secrets.create_secret(Name="providers")
    secrets.create_secret(Name="webhook", SecretString=WEBHOOK_SECRET)
    topic = sns.create_topic(Name="topic")["TopicArn"]
    secrets.close()
    sns.close()
    runtime = Runtime(
        {
            **environment,
            "HERALD_ALLOWED_ORIGINS": "https://App.example.com:443",
            "HERALD_API_KEYS_TABLE": "api-keys",
            "HERALD_DATABASE_SCHEMA": "herald",
            "HERALD_DATABASE_SECRET_ARN": "database",
            "HERALD_PROVIDERS_SECRET_ARN": "providers",
            "HERALD_WEBHOOK_SECRET_ARN": "webhook",
            "HERALD_TOPIC_ARN": topic,
            "HERALD_ERROR_TOPIC_ARN": topic,
            "HERALD_GENERATION_DEADLINE_SECONDS": "3600",
            "HERALD_INBOX_TABLE": "inbox",
            "HERALD_OUTBOX_RETENTION_DAYS": "7",
            "HERALD_OUTPUT_MAX_MEGABYTES": "1000",
            "HERALD_PROVIDER_APIS": "{}",
            "HERALD_OUTPUT_RETENTION_DAYS": "30",
        }
    )
    app = importlib.import_module("app")
    monkeypatch.setattr(app, "runtime", runtime)
    yield app
    runtime.close()


def test_every_handler_is_called_with_an_event_of_its_own(handlers: ModuleType) -> None:
    called = {
        *("authorize", "callback", "connect", "deliver", "disconnect", "keep", "link", "message"),
        *("reconcile", "relay"),
    }
    assert called == set(settings.FUNCTIONS)
    assert all(callable(getattr(handlers, name)) for name in called)


# --- authorize ---


def authorization(**headers: str) -> Any:
    found = load("authorizer_request")
    found["headers"] |= headers
    return found


def test_the_authorizers_request_is_allowed(handlers: ModuleType) -> None:
    request = authorization(**{"Sec-WebSocket-Protocol": f"herald.v1, bearer.{token()}"})
    answer = handlers.authorize(request, Context())
    [statement] = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", request["methodArn"])
    assert answer["context"]["user_id"] == "alice"
    assert all(isinstance(value, str) for value in answer["context"].values())


def test_the_authorizers_request_without_a_valid_token_is_unauthorized(
    handlers: ModuleType,
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handlers.authorize(authorization(), Context())


def test_a_malformed_api_key_is_unauthorized_although_the_table_does_not_exist(
    handlers: ModuleType,
) -> None:
    odd = {"Sec-WebSocket-Protocol": "herald.v1", "x-api-key": f"hk_{'a' * 3000}_b"}
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        handlers.authorize(authorization(**odd), Context())


# --- WebSocket routes ---


def test_connect_stores_the_connection(handlers: ModuleType, dynamodb: Any) -> None:
    request = load("websocket_connect")
    answer = handlers.connect(request, Context())
    assert answer["statusCode"] == 200
    assert answer["headers"] == {"Sec-WebSocket-Protocol": "herald.v1"}
    assert open_connections(dynamodb) == {request["requestContext"]["connectionId"]}


def test_connect_without_authorizer_context_is_401(handlers: ModuleType, dynamodb: Any) -> None:
    answer = handlers.connect(load("websocket_connect_without_authorizer"), Context())
    assert answer == {"statusCode": 401}
    assert open_connections(dynamodb) == set()


def test_a_frame_is_answered(handlers: ModuleType) -> None:
    answer = handlers.message(load("websocket_default"), Context())
    pong = json.loads(answer["body"])
    assert (answer["statusCode"], pong["type"], pong["re"]) == (200, "pong", 7)


def test_a_frame_without_authorizer_context_is_refused(handlers: ModuleType) -> None:
    answer = handlers.message(load("websocket_default_without_authorizer"), Context())
    error = json.loads(answer["body"])
    assert (answer["statusCode"], error["code"]) == (200, 4009)


@pytest.mark.parametrize("body", [None, "", "[" * 100_000, '{"action":"x","id":"\\ud800"}', "\0"])
def test_any_other_frame_gets_an_error_frame(handlers: ModuleType, body: str | None) -> None:
    answer = handlers.message(load("websocket_default") | {"body": body}, Context())
    error = json.loads(answer["body"].encode())
    assert (answer["statusCode"], error["code"], error["re"]) == (200, 4012, None)


def test_disconnect_removes_the_connection(
    handlers: ModuleType, dynamodb: Any, connections: Any
) -> None:
    request = load("websocket_disconnect")
    connections.put(connected("alice", request["requestContext"]["connectionId"]))
    assert handlers.disconnect(request, Context()) == {"statusCode": 200}
    assert open_connections(dynamodb) == set()


def test_disconnect_without_authorizer_context_is_200(handlers: ModuleType, dynamodb: Any) -> None:
    request = load("websocket_disconnect_without_authorizer")
    assert handlers.disconnect(request, Context()) == {"statusCode": 200}
    request["requestContext"]["authorizer"] = None
    assert handlers.disconnect(request, Context()) == {"statusCode": 200}
    assert open_connections(dynamodb) == set()


# --- the HTTP API, the queue and the schedule ---


@pytest.mark.parametrize("name", ["http_callback", "http_callback_base64"])
def test_a_webhook_is_verified_and_looked_up(handlers: ModuleType, name: str) -> None:
    request = load(name)
    body = request["body"]
    raw = base64.b64decode(body).decode() if request["isBase64Encoded"] else body
    now = datetime.now(UTC)
    headers = request["headers"]
    forged = handlers.callback(request, Context(14))
    assert forged["statusCode"] == 401
    headers["webhook-timestamp"] = str(int(now.timestamp()))
    headers["webhook-signature"] = Webhook(WEBHOOK_SECRET).sign(headers["webhook-id"], now, raw)
    answer = handlers.callback(request, Context(14))
    assert answer["statusCode"] == 404, "the signature is valid, the generation unknown"


def test_a_queue_message_is_delivered(handlers: ModuleType, stored: Any) -> None:
    request = load("sqs")
    request["Records"][0]["body"] = event("alice", 1)
    assert handlers.deliver(request, Context()) == {"batchItemFailures": []}
    assert stored.head("alice").offset == 1


def test_a_queue_message_that_is_not_an_event_fails_alone(handlers: ModuleType) -> None:
    request = load("sqs")
    failed = [{"itemIdentifier": request["Records"][0]["messageId"]}]
    assert handlers.deliver(request, Context()) == {"batchItemFailures": failed}


def test_the_schedule_runs_reconcile(handlers: ModuleType) -> None:
    found = handlers.reconcile(load("schedule"), Context(57))
    assert found == {"adopted": 0, "looked_up": 0, "recorded": 0, "timed_out": 0}


def test_other_functions_invoke_reconcile_with_events_that_chalice_can_read(
    handlers: ModuleType,
) -> None:
    unknown = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
    canceled = json.loads(reconcile_events.cancel(unknown, "alice"))
    assert handlers.reconcile(canceled, Context()) == {"outcome": "not_cancelable"}
    resolved = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert handlers.reconcile(resolved, Context()) == {"outcome": "no_key"}


def test_the_schedule_runs_the_relay(handlers: ModuleType) -> None:
    assert handlers.relay(load("schedule"), Context())["relayed"] == 0

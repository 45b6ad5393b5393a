"""A user's connections: the limit, and the effects of a revocation."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from chalicelib.store import revocation
from tests.builders import EPOCH, Context, connected, event, open_connections, sqs, websocket
from tests.integration.conftest import JWT_SECRET, Gateway

if TYPE_CHECKING:
    from chalicelib.runtime import Runtime
    from chalicelib.store.connections import Connections

pytestmark = pytest.mark.integration

LIMIT = 3  # HERALD_MAX_CONNECTIONS_PER_USER of this suite


def revoke(dynamodb: Any, at: float) -> None:
    dynamodb.put_item(TableName="connections", Item=revocation.mark("alice", int(at)))


def codes(gateway: Gateway, connection_id: str) -> list[int]:
    return [json.loads(text)["code"] for text in gateway.posted.get(connection_id, [])]


def token(issued_at: float) -> str:
    claims = {
        "sub": "alice",
        "iss": "issuer",
        "aud": "herald",
        "iat": int(issued_at),
        "exp": int(time.time()) + 900,
    }
    return jwt.encode(claims, JWT_SECRET, "HS256")


# --- the limit ---


def test_one_connection_above_the_limit_evicts_the_oldest(
    dynamodb: Any, runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    for number in range(LIMIT):
        connections.put(connected("alice", f"old{number}=", age_seconds=100 - number))
    connections.put(connected("bob", "bob=", age_seconds=1000))
    assert runtime.connect.handle(websocket())["statusCode"] == 200
    assert open_connections(dynamodb) == {"old1=", "old2=", "c1=", "bob="}
    [close] = [json.loads(text) for text in gateway.posted["old0="]]
    assert close == {
        "type": "close",
        "code": 4014,
        "name": "too_many_connections",
        "reconnect": "never",
        "retry_after_ms": 0,
    }
    assert gateway.closed == ["old0="]


def test_up_to_the_limit_no_connection_is_closed(
    dynamodb: Any, runtime: Runtime, gateway: Gateway
) -> None:
    for number in range(LIMIT):
        runtime.connect.handle(websocket(connection_id=f"c{number}="))
    assert len(open_connections(dynamodb)) == LIMIT
    assert (gateway.posted, gateway.closed) == ({}, [])


def test_dead_connections_do_not_lock_a_user_out(
    dynamodb: Any, runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    """Their $disconnect was lost: API Gateway answers 410 for each."""
    for number in range(LIMIT):
        connections.put(connected("alice", f"dead{number}="))
        gateway.statuses[f"dead{number}="] = [410]
    for number in range(LIMIT):
        answer = runtime.connect.handle(websocket(connection_id=f"new{number}="))
        assert answer["statusCode"] == 200
    assert open_connections(dynamodb) == {f"new{number}=" for number in range(LIMIT)}


def test_a_connection_that_could_not_be_closed_is_evicted_anyway(
    dynamodb: Any, runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    for number in range(LIMIT):
        connections.put(connected("alice", f"old{number}=", age_seconds=100 - number))
    gateway.statuses["old0="] = [403]
    assert runtime.connect.handle(websocket())["statusCode"] == 200
    assert gateway.closed == ["old0="]
    assert "old0=" not in open_connections(dynamodb)


# --- the revocation mark ---


def test_a_token_issued_before_the_mark_opens_no_connection(
    dynamodb: Any, runtime: Runtime
) -> None:
    now = int(time.time())
    revoke(dynamodb, now)
    assert runtime.connect.handle(websocket(issued_at=now - 1))["statusCode"] == 401
    assert runtime.connect.handle(websocket(issued_at=now))["statusCode"] == 401
    assert open_connections(dynamodb) == set()


def test_a_token_that_does_not_say_when_it_was_issued_opens_no_connection(
    dynamodb: Any, runtime: Runtime
) -> None:
    revoke(dynamodb, time.time())
    undated = websocket()
    del undated["requestContext"]["authorizer"]["issued_at"]
    assert runtime.connect.handle(undated)["statusCode"] == 401


def test_a_token_issued_after_the_mark_opens_one(dynamodb: Any, runtime: Runtime) -> None:
    revoke(dynamodb, time.time() - 60)
    assert runtime.connect.handle(websocket())["statusCode"] == 200
    assert open_connections(dynamodb) == {"c1="}


def test_the_mark_outlives_later_connections(dynamodb: Any, runtime: Runtime) -> None:
    at = int(time.time()) - 60
    revoke(dynamodb, at)
    runtime.connect.handle(websocket())
    runtime.message.handle(websocket({"action": "hello"}))
    runtime.disconnect.handle(websocket())
    [item] = dynamodb.scan(TableName="connections")["Items"]
    assert int(item["expires_at"]["N"]) == at + revocation.MARK_DAYS * 86_400
    assert runtime.connect.handle(websocket(issued_at=at))["statusCode"] == 401


def test_a_revoked_users_other_connections_receive_nothing(
    dynamodb: Any, runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    connections.put(connected("alice", "c1="))
    revoke(dynamodb, time.time())
    assert runtime.deliver.handle(sqs(event("alice")), Context()) == {"batchItemFailures": []}
    assert gateway.posted == {}


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "hello", "resume": {"epoch": EPOCH, "offset": 0}},
        {"action": "history", "since": 0},
    ],
    ids=lambda frame: frame["action"],
)
def test_a_revoked_connection_that_is_still_open_is_closed_at_its_next_replay(
    dynamodb: Any, runtime: Runtime, gateway: Gateway, frame: dict[str, Any]
) -> None:
    runtime.deliver.handle(sqs(event("alice")), Context())
    runtime.connect.handle(websocket())
    revoke(dynamodb, time.time() + 1)
    assert runtime.message.handle(websocket(frame)) == {"statusCode": 200}
    assert codes(gateway, "c1=") == [4011]
    assert gateway.closed == ["c1="]
    assert open_connections(dynamodb) == set()


def test_auth_with_a_token_issued_before_the_mark_closes_the_connection(
    dynamodb: Any, runtime: Runtime, gateway: Gateway
) -> None:
    at = time.time() - 60
    revoke(dynamodb, at)
    runtime.connect.handle(websocket())
    auth = {"action": "auth", "id": 4, "token": token(at - 1)}
    runtime.message.handle(websocket(auth))
    assert codes(gateway, "c1=") == [4011]
    assert gateway.closed == ["c1="]


def test_auth_with_a_token_issued_after_the_mark_is_accepted(
    dynamodb: Any, runtime: Runtime, gateway: Gateway
) -> None:
    revoke(dynamodb, time.time() - 60)
    runtime.connect.handle(websocket())
    answer = runtime.message.handle(websocket({"action": "auth", "token": token(time.time())}))
    assert json.loads(answer["body"])["type"] == "auth_ok"
    assert gateway.closed == []

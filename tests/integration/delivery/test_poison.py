"""An invalid message does not make other messages of its batch fail, whatever is wrong with it."""

import json
from typing import Any

import pytest

from chalicelib.runtime import Runtime
from chalicelib.store.connections import Connections
from tests.builders import Context, connected, event, sqs
from tests.integration.conftest import Gateway

pytestmark = pytest.mark.integration


def changed(**attributes: Any) -> str:
    return json.dumps(json.loads(event("mallory", 1)) | attributes)


def nested() -> str:
    found = json.loads(event("mallory", 1))
    found["data"]["prompt"] = "deep"
    return json.dumps(found).replace('"deep"', "[" * 3000 + "]" * 3000)


@pytest.mark.parametrize(
    "poison",
    [
        "[" * 20_000,
        nested(),
        changed(userid="\ud800"),
        changed(id="\ud800"),
        changed(epoch="ffffffff-ffff-ffff-ffff-ffffffffffff", sequence="9999999999999999"),
        changed(source="herald/another-stage"),
        json.dumps({"Type": "Notification", "Message": "not an event"}),
    ],
    ids=["brackets", "nested", "userid", "id", "future epoch", "another stage", "envelope"],
)
def test_poison_fails_alone(
    runtime: Runtime, connections: Connections, gateway: Gateway, poison: str
) -> None:
    for user in ("alice", "bob"):
        connections.put(connected(user, f"{user}="))
    batch = sqs(event("alice", 1), poison, event("bob", 1))
    answer = runtime.deliver.handle(batch, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    for user in ("alice", "bob"):
        assert len(gateway.posted[f"{user}="]) == 1


def test_a_letter_in_snss_envelope_is_delivered_as_it_was_published(
    runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    connections.put(connected("alice", "a="))
    text = event("alice", 1)
    enveloped = json.dumps({"Type": "Notification", "Message": text})
    assert runtime.deliver.handle(sqs(enveloped), Context()) == {"batchItemFailures": []}
    [frame] = gateway.posted["a="]
    assert json.loads(frame)["event"] == json.loads(text)

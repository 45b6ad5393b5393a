"""A user with many connections does not delay or prevent the delivery of another user's event."""

import pytest

from chalicelib.runtime import Runtime
from chalicelib.store.connections import Connections
from tests.builders import Context, connected, event, sqs
from tests.integration.conftest import Gateway

pytestmark = pytest.mark.integration

MANY = 300


def test_a_user_of_many_connections_does_not_delay_anothers_event(
    runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    for number in range(MANY):
        connections.put(connected("hog", f"hog{number}="))
    connections.put(connected("alice", "alice="))
    batch = sqs(
        *(event("hog", offset, prompt="p" * 30_000) for offset in range(1, 9)), event("alice", 1)
    )
    runtime.deliver.handle(batch, Context())
    order = list(gateway.posted)
    assert order.index("alice=") < 2 * 128, "among the first that the engine has connections for"


def test_the_event_of_another_user_is_done_when_the_time_runs_out(
    runtime: Runtime, connections: Connections, gateway: Gateway
) -> None:
    for number in range(MANY):
        connections.put(connected("hog", f"hog{number}="))
        gateway.statuses[f"hog{number}="] = [500]
    connections.put(connected("alice", "alice="))
    runtime.deliver.handle(sqs(event("warm", 1)), Context())
    failed = runtime.deliver.handle(sqs(event("hog", 1), event("alice", 1)), Context(4))
    assert {"itemIdentifier": "m1"} not in failed["batchItemFailures"]
    assert len(gateway.posted["alice="]) == 1

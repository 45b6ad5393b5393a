"""Delivery stores events before it posts them; tested with DynamoDB over HTTP and a scripted
@connections.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.protocol import events
from chalicelib.recording import generation_events
from chalicelib.runtime import Runtime
from chalicelib.store.connections import KEEP_SECONDS, Connections
from chalicelib.store.inbox import Head, Inbox
from tests.builders import (
    EPOCH,
    Context,
    connected,
    epoch,
    event,
    open_connections,
    progress,
    sqs,
)
from tests.integration.conftest import Gateway

pytestmark = pytest.mark.integration

Run = Callable[..., list[str]]
Connect = Callable[..., None]


@pytest.fixture
def run(runtime: Runtime) -> Run:
    """Deliver messages; returns the ids of those that failed."""

    def invoke(*bodies: str, receives: int = 1, seconds: float = 30) -> list[str]:
        answer = runtime.deliver.handle(sqs(*bodies, receives=receives), Context(seconds))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    return invoke


@pytest.fixture
def connect(connections: Connections) -> Connect:
    """Open a connection."""

    def put(user_id: str, connection_id: str, **times: int) -> None:
        connections.put(connected(user_id, connection_id, **times))

    return put


def inbox(dynamodb: Any, user_id: str = "alice") -> dict[str, Any]:
    found = dynamodb.query(
        TableName="inbox",
        KeyConditionExpression="user_id = :user",
        ExpressionAttributeValues={":user": {"S": user_id}},
    )
    return {item["position"]["S"]: item for item in found["Items"]}


def frames(gateway: Gateway, connection_id: str) -> list[Any]:
    return [json.loads(frame) for frame in gateway.posted.get(connection_id, [])]


def test_an_event_is_stored_and_posted_to_its_owners_connections_only(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    connect("alice", "a2=")
    connect("bob", "b1=")
    text = event("alice", 42)
    assert run(text) == []
    stored = inbox(dynamodb)
    assert stored[f"{EPOCH}/{42:016d}"]["event"]["S"] == text
    assert 0 <= time.time() + 8 * 86_400 - int(stored[f"{EPOCH}/{42:016d}"]["expires_at"]["N"]) < 9
    assert len(stored) == 1, "the event is also the head of its stream"
    for connection_id in ("a1=", "a2="):
        [frame] = frames(gateway, connection_id)
        assert (frame["type"], frame["epoch"], frame["offset"]) == ("event", EPOCH, 42)
        assert frame["event"] == json.loads(text)
    assert "b1=" not in gateway.posted


def test_a_user_without_connections_is_not_a_failure(
    dynamodb: Any, gateway: Gateway, run: Run
) -> None:
    assert run(event("alice", 1)) == []
    assert len(inbox(dynamodb)) == 1
    assert gateway.posted == {}


def test_an_invalid_message_fails_alone(gateway: Gateway, run: Run, connect: Connect) -> None:
    connect("alice", "a1=")
    connect("bob", "b1=")
    large = json.dumps("x" * events.MAX_EVENT_BYTES)
    failed = run(event("alice", 1), "poison", event("bob", 1), large, json.dumps({"type": "x"}))
    assert failed == ["m1", "m3", "m4"]
    assert len(frames(gateway, "a1=")) == len(frames(gateway, "b1=")) == 1


def test_events_of_one_user_share_a_frame_in_order(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(*(event("alice", offset) for offset in (3, 1, 2))) == []
    [frame] = frames(gateway, "a1=")
    assert frame["type"] == "events"
    assert [(item["offset"], item["replayed"]) for item in frame["items"]] == [
        (1, False),
        (2, False),
        (3, False),
    ]


def test_large_events_of_one_user_are_split_into_frames_that_arrive_in_order(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(*(event("alice", offset, prompt="p" * 20_000) for offset in (2, 1, 3))) == []
    posted = [item for frame in frames(gateway, "a1=") for item in frame["items"]]
    assert [item["offset"] for item in posted] == [1, 2, 3]
    assert all(len(frame.encode()) <= events.MAX_FRAME_BYTES for frame in gateway.posted["a1="])


def test_a_redelivery_pushes_again_and_stores_once(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(event("alice", 1)) == run(event("alice", 1)) == []
    assert len(frames(gateway, "a1=")) == 2
    assert len(inbox(dynamodb)) == 1


def test_a_message_duplicated_in_a_batch_is_posted_once(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    text = event("alice", 1)
    assert run(text, text) == []
    assert [frame["type"] for frame in frames(gateway, "a1=")] == ["event"]


def test_the_head_never_moves_backwards(run: Run, stored: Inbox) -> None:
    assert run(event("alice", 7)) == []
    assert run(event("alice", 3)) == []
    assert stored.head("alice") == Head(EPOCH, 7)


def test_the_head_moves_to_a_newer_epoch_and_never_to_an_older_one(run: Run, stored: Inbox) -> None:
    newer = epoch(age_seconds=1)
    assert run(event("alice", 7)) == []
    assert run(event("alice", 1, of_epoch=newer)) == []
    assert run(event("alice", 8)) == []
    assert stored.head("alice") == Head(newer, 1)


def test_more_events_than_fit_in_one_write_are_all_stored(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("u3", "c3=")
    assert run(*(event(f"u{index % 30}", 1 + index // 30) for index in range(60))) == []
    assert sum(len(inbox(dynamodb, f"u{index}")) for index in range(30)) == 60
    assert [item["offset"] for item in frames(gateway, "c3=")[0]["items"]] == [1, 2]


def test_a_gone_connection_is_removed_unless_it_is_new(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "old=", age_seconds=60)
    connect("alice", "new=", age_seconds=1)
    connect("alice", "open=")
    gateway.statuses = {"old=": [410], "new=": [410]}
    assert run(event("alice", 1)) == []
    assert open_connections(dynamodb) == {"new=", "open="}
    assert len(frames(gateway, "open=")) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failing_connection_is_retried_then_left_to_recovery(
    dynamodb: Any, gateway: Gateway, status: int, run: Run, connect: Connect
) -> None:
    connect("alice", "flaky=")
    connect("alice", "broken=")
    connect("alice", "open=")
    gateway.statuses = {"flaky=": [status, 200], "broken=": [status]}
    assert run(event("alice", 1)) == []
    assert [len(frames(gateway, name)) for name in ("flaky=", "broken=", "open=")] == [1, 0, 1]
    assert open_connections(dynamodb) == {"flaky=", "broken=", "open="}


@pytest.mark.parametrize(("status", "throttled"), [(429, 1), (503, None)])
def test_a_throttled_post_also_counts_as_one_that_clients_make_up_for(
    gateway: Gateway,
    capsys: pytest.CaptureFixture[str],
    run: Run,
    connect: Connect,
    status: int,
    throttled: int | None,
) -> None:
    """The alarm posts-retryable reads one metric for both."""
    connect("alice", "broken=")
    gateway.statuses = {"broken=": [status]}
    assert run(event("alice", 1)) == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [found] = [line for line in lines if "_aws" in line]
    assert found["PostsRetryable"] == 1
    assert found.get("PostsThrottled") == throttled


def test_forbidden_posts_fail_the_messages_and_keep_the_connection(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    gateway.statuses = {"a1=": [403]}
    assert run(event("alice", 1), event("bob", 1)) == ["m0"]
    assert open_connections(dynamodb) == {"a1="}


def test_a_connection_whose_token_has_expired_is_notified_and_closed(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "expired=", token_expires_at=int(time.time()) - 1)
    connect("alice", "open=", token_expires_at=int(time.time()) + 60)
    assert run(event("alice", 1)) == []
    [close] = frames(gateway, "expired=")
    assert (close["type"], close["code"], close["reconnect"]) == ("close", 4202, "now")
    assert gateway.closed == ["expired="]
    assert open_connections(dynamodb) == {"open="}
    assert len(frames(gateway, "open=")) == 1


def test_a_connection_past_its_maximum_lifetime_is_removed(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "over=", age_seconds=KEEP_SECONDS)
    connect("alice", "open=")
    assert run(event("alice", 1)) == []
    assert list(gateway.posted) == ["open="]
    assert open_connections(dynamodb) == {"open="}


def test_nothing_is_posted_to_a_user_whose_connections_are_all_closed(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect, connections: Connections
) -> None:
    connect("alice", "a1=")
    connections.forget("alice", "a1=")
    connections.forget("alice", "a1=")
    connections.forget("nobody", "x=")
    assert run(event("alice", 1)) == []
    assert gateway.posted == {}
    assert dynamodb.scan(TableName="connections")["Count"] == 1, (
        "no row was created for an unknown user"
    )


def test_when_the_inbox_cannot_be_written_the_message_fails_and_nothing_is_pushed(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    dynamodb.delete_table(TableName="inbox")
    assert run(event("alice", 1)) == ["m0"]
    assert gateway.posted == {}


def test_on_the_last_receive_open_connections_are_notified(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    dynamodb.delete_table(TableName="inbox")
    assert run(event("alice", 1), receives=3) == ["m0"]
    [frame] = frames(gateway, "a1=")
    assert (frame["type"], frame["code"], frame["re"]) == ("error", 4100, None)


def test_when_the_connections_cannot_be_read_the_message_fails_but_is_stored(
    dynamodb: Any, run: Run
) -> None:
    dynamodb.delete_table(TableName="connections")
    assert run(event("alice", 1)) == ["m0"]
    assert len(inbox(dynamodb)) == 1


def test_without_time_left_every_message_is_returned(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(event("alice", 1), event("bob", 1), seconds=0) == ["m0", "m1"]


def test_a_notice_is_kept_for_an_hour_outside_the_stream(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    from datetime import UTC, datetime

    connect("alice", "a1=")
    notice = generation_events.build_notice("g1", "alice", stage="test", now=datetime.now(UTC))
    assert run(notice) == []
    [(position, item)] = inbox(dynamodb).items()
    assert position.startswith("notice/")
    assert 3590 < int(item["expires_at"]["N"]) - time.time() <= 3600
    [frame] = frames(gateway, "a1=")
    assert (frame["type"], frame["epoch"], frame["offset"]) == ("event", None, None)


def test_a_notice_without_an_owner_is_not_a_failure(
    dynamodb: Any, gateway: Gateway, run: Run
) -> None:
    from datetime import UTC, datetime

    assert (
        run(generation_events.build_notice("g1", None, stage="test", now=datetime.now(UTC))) == []
    )
    assert dynamodb.scan(TableName="inbox")["Count"] == 0


def test_progress_is_kept_for_an_hour_outside_the_stream(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect, stored: Inbox
) -> None:
    connect("alice", "a1=")
    assert run(event("alice", 7)) == []
    text = progress("alice", 8)
    assert run(text) == []
    assert stored.standing("alice") == ((Head(EPOCH, 7), [text]), [])
    [kept] = [item for item in inbox(dynamodb).values() if item.get("event", {}).get("S") == text]
    assert 3590 < int(kept["expires_at"]["N"]) - time.time() <= 3600
    [_, frame] = frames(gateway, "a1=")
    assert (frame["type"], frame["epoch"], frame["offset"]) == ("event", None, None)
    assert frame["event"] == json.loads(text)


def test_only_the_newest_progress_of_a_batch_is_posted_and_after_the_results(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    old, new = (progress("alice", 2, seconds_ago=ago) for ago in (1, 0))
    assert run(old, new, old, event("alice", 1), progress("alice", 3)) == []
    [frame] = frames(gateway, "a1=")
    items = [item["event"] for item in frame["items"]]
    assert [item["subject"][-1] for item in items] == ["1", "2", "3"]
    assert items[1] == json.loads(new)


def test_progress_is_dropped_when_its_result_is_in_the_same_batch(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(event("alice", 1), progress("alice", 1)) == []
    [frame] = frames(gateway, "a1=")
    assert frame["offset"] == 1
    assert len(inbox(dynamodb)) == 1


def test_a_notice_does_not_end_the_progress_of_its_generation(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    from datetime import UTC, datetime

    connect("alice", "a1=")
    text = progress("alice", 1)
    generation_id = json.loads(text)["subject"]
    notice = generation_events.build_notice(
        generation_id, "alice", stage="test", now=datetime.now(UTC)
    )
    assert run(notice, text) == []
    assert len(frames(gateway, "a1=")[0]["items"]) == 2


@pytest.mark.parametrize("status", [403, 429, 500])
def test_progress_that_cannot_be_posted_is_not_received_again(
    gateway: Gateway, status: int, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    gateway.statuses = {"a1=": [status]}
    assert run(progress("alice"), receives=3) == []


def test_progress_without_time_left_is_not_received_again(
    gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    assert run(progress("alice"), seconds=0, receives=3) == []
    assert gateway.posted == {}


def test_progress_that_is_not_stored_is_posted_all_the_same(
    dynamodb: Any, gateway: Gateway, run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    dynamodb.delete_table(TableName="inbox")
    assert run(progress("alice"), receives=3) == []
    assert [frame["type"] for frame in frames(gateway, "a1=")] == ["event"]


def test_progress_does_not_count_for_the_latency_of_results(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    run(progress("alice", seconds_ago=30))
    assert len(frames(gateway, "a1=")) == 1
    assert capsys.readouterr().out == ""


def test_one_line_of_metrics_per_batch(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], run: Run, connect: Connect
) -> None:
    connect("alice", "a1=")
    run(event("alice", 1), event("bob", 1))
    [line] = capsys.readouterr().out.splitlines()
    metrics = json.loads(line)
    [latency] = metrics.pop("DeliveryLatencyMs")
    assert 0 <= latency < 60_000
    [about] = metrics.pop("_aws")["CloudWatchMetrics"]
    assert [metric["Name"] for metric in about["Metrics"]] == ["DeliveryLatencyMs"]
    assert metrics.keys() == {"Stage"}, "no property and no metric that is 0"

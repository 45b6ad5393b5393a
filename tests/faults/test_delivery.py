"""Faults between the queue and the clients: rows 9-18, 24, 25 and 28 of the fault table."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import rules
from tests.faults.background import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.stack import FaultStack, Tab

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def empty_dead_letters(fault_stack: FaultStack) -> Iterator[None]:
    """Each test sees only its own dead letters."""
    fault_stack.drain()
    yield
    fault_stack.drain()


def age_connections(fault_stack: FaultStack, user: str) -> None:
    """Make the user's connections old enough for a 410 to mean that they are gone."""
    for row in fault_stack.connection_rows(user):
        older = {**row, "connected_at": row["connected_at"] - 60}
        fault_stack.write_connection(user, older)


def concerns(fault_stack: FaultStack, user: str) -> str:
    """A microburst condition: the DynamoDB request concerns this user."""
    return f"contains(to_string(@), '{user}')"


def test_row_9_sqs_delivers_twice(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a delivered event
    tab, generation = open_tab(user), fault_stack.generation(user)
    fault_stack.callback(generation)
    tab.sees(generation)
    # When SQS delivers it repeatedly, then it is posted again each time
    for _ in range(2):
        before = len(tab.client.of("event"))
        fault_stack.send(fault_stack.outbox(user)[0]["event"])
        tab.more_than(before, "event")
    # And the application still handles it only once
    tab.sees(generation)


def test_row_10_events_overtake_each_other(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a first event that waits for the relay, and a second that does not
    tab = open_tab(user)
    first, second = fault_stack.generation(user), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.SNS_REFUSES):
        fault_stack.callback(first)
    fault_stack.callback(second)
    tab.sees(second)
    # Then the tab detects that one event is missing, but does not report a gap
    assert tab.client.cursor.offset == 0
    # When the relay has run, then both have arrived
    fault_stack.relay()
    tab.sees(first, second)
    assert tab.client.results() == [second, first]
    assert (tab.client.cursor.offset, tab.client.of("gap")) == (2, [])


def test_row_11_poison_messages_fail_alone(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given invalid messages among events
    tab, generation = open_tab(user), fault_stack.generation(user)
    fault_stack.callback(generation)
    tab.sees(generation)
    event = json.loads(fault_stack.outbox(user)[0]["event"])
    poison = [
        "no JSON",
        json.dumps({**event, "specversion": "9.0"}),
        json.dumps({**event, "type": "somebody.else"}),
        json.dumps({**event, "sequence": "minus one"}),
        json.dumps({**event, "data": {**event["data"], "prompt": "x" * 40_000}}),
    ]
    others = [fault_stack.generation(user) for _ in range(3)]
    for index, body in enumerate(poison):
        fault_stack.send(body)
        if index < len(others):
            fault_stack.callback(others[index])
    # Then the events are delivered, and each invalid message ends up in the dead-letter queue
    tab.sees(generation, *others)
    wanted = len(poison)
    eventually(lambda: fault_stack.waiting("HERALD_DLQ_URL") == wanted, "the dead letters", 60)
    dead = fault_stack.drain()
    assert sorted(dead) == sorted(poison)
    assert fault_stack.waiting() == 0


def test_row_12_half_of_a_batch_fails(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given two users, for one of whom DynamoDB rejects writes
    unlucky = user + "-unlucky"
    tab, unlucky_tab = open_tab(user), open_tab(unlucky)
    generations = {name: fault_stack.generation(name) for name in (user, unlucky)}
    refused = rules.dynamodb("BatchWriteItem", body=concerns(fault_stack, unlucky))
    refused["error"] = {"code": "ValidationException", "status": 400}
    with fault_stack.aws.fault(**refused):
        # When both have an event in one batch
        with fault_stack.aws.fault(**rules.SNS_REFUSES):
            for generation in generations.values():
                fault_stack.callback(generation)
        fault_stack.relay()
        # Then the other user's is delivered at once
        tab.sees(generations[user])
        assert unlucky_tab.client.results() == []
    # And only the rejected one is received again
    unlucky_tab.sees(generations[unlucky], seconds=30)
    assert len(tab.client.of("event")) == 1


def test_the_inbox_cannot_be_written_on_any_receive(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given an inbox that cannot be written on any of the three receives
    tab, generation = open_tab(user), fault_stack.generation(user)
    refused = rules.dynamodb("BatchWriteItem", body=concerns(fault_stack, user))
    with fault_stack.aws.fault(**refused):
        fault_stack.callback(generation)
        # Then the tab is notified, and the message becomes a dead letter
        assert tab.frame("error", 60)["code"] == 4100
        eventually(lambda: fault_stack.waiting("HERALD_DLQ_URL") == 1, "a dead letter", 30)
    # When it is redriven, then it arrives as usual
    (body,) = fault_stack.drain()
    fault_stack.send(body)
    tab.sees(generation)


@pytest.mark.parametrize("operation", ["BatchWriteItem", "BatchGetItem"])
def test_row_14_dynamodb_throttles_and_then_accepts(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, operation: str
) -> None:
    # Given DynamoDB that throttles one step of the delivery twice
    tab, generation = open_tab(user), fault_stack.generation(user)
    condition = concerns(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb(operation, body=condition, times=2)):
        # Then the third attempt of the same receive succeeds
        fault_stack.callback(generation)
        tab.sees(generation, seconds=4)  # less than the visibility timeout
        assert len(fault_stack.aws.fired()) == 2


@pytest.mark.parametrize("operation", ["BatchWriteItem", "BatchGetItem"])
def test_row_14_dynamodb_throttles_every_attempt_of_one_receive(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, operation: str
) -> None:
    # Given DynamoDB that throttles every attempt of one receive
    tab, generation = open_tab(user), fault_stack.generation(user)
    condition = concerns(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb(operation, body=condition, times=3)):
        fault_stack.callback(generation)
        # Then the message is received again and delivered, and the application handles it once
        tab.sees(generation, seconds=30)
        assert len(fault_stack.aws.fired()) == 3
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    assert fault_stack.waiting("HERALD_DLQ_URL") == 0


def test_row_14_dynamodb_throttles_connect(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a connections table that cannot be written for a while
    condition = concerns(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb("UpdateItem", body=condition, times=5)):
        # Then the tab is refused, retries and connects (open_tab waits for its welcome)
        tab = open_tab(user)
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    tab.sees(generation)


def test_row_15_gone_connections_are_removed(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given the row of a connection that is gone: its $disconnect never came (row 28)
    tab, generation = open_tab(user), fault_stack.generation(user)
    dead = {**fault_stack.connection_rows(user)[0], "connection_id": "0000dead0000dead"}
    fault_stack.write_connection(user, dead)
    age_connections(fault_stack, user)
    # When an event comes
    fault_stack.callback(generation)
    # Then the open tab receives it, and the row of the closed connection is removed
    tab.sees(generation)
    eventually(lambda: len(fault_stack.connection_rows(user)) == 1, "the dead row is removed")


def test_row_15_a_new_connection_is_kept(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given an open connection that API Gateway does not know yet
    tab, generation = open_tab(user, ping_seconds=1.0), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.posts(410)):
        fault_stack.callback(generation)
        eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
        assert fault_stack.aws.fired()
    # Then its row is kept, and the ping reveals the missed event to the tab
    assert len(fault_stack.connection_rows(user)) == 1
    tab.sees(generation)


@pytest.mark.parametrize("status", [410, 429, 500, 502])
def test_rows_15_to_17_no_post_gets_through(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, status: int
) -> None:
    # Given a tab to which nothing can be posted for a while
    tab, generation = open_tab(user, ping_seconds=1.0), fault_stack.generation(user)
    age_connections(fault_stack, user)
    with fault_stack.aws.fault(**rules.posts(status)):
        fault_stack.callback(generation)
        eventually(lambda: fault_stack.waiting() == 0, "an empty queue", 30)
        tried = len(fault_stack.aws.fired())
    # Then the post was retried except for 410, and only 410 deletes the row
    assert tried == (1 if status == 410 else 3)
    assert len(fault_stack.connection_rows(user)) == (0 if status == 410 else 1)
    # And the tab still gets the event, because a ping reveals that it is missing
    tab.sees(generation)
    assert tab.client.of("gap") == []


@pytest.mark.parametrize("action", ["hold", "cut"])
def test_row_17_a_bad_connection_does_not_delay_others(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, action: Any
) -> None:
    # Given two tabs of one user, one of which hangs or breaks at every post
    tabs = [open_tab(user, ping_seconds=1.0) for _ in range(2)]
    fault_stack.callback(warm_up := fault_stack.generation(user))
    for tab in tabs:
        tab.sees(warm_up)
    victim, other = tabs
    connection = victim.client.of("welcome")[-1]["connection"].encode()
    fault_stack.aws_tap.on("request", rb"POST [^ ]*@connections/" + connection, action, times=None)
    # When an event comes
    generation = fault_stack.generation(user)
    began = time.monotonic()
    fault_stack.callback(generation)
    # Then the other tab receives it long before the post to the first one times out
    other.sees(warm_up, generation)
    assert time.monotonic() - began < 2.5
    # And the affected tab recovers it by itself
    fault_stack.background.call(fault_stack.aws_tap.clear)
    victim.sees(warm_up, generation)


def test_row_18_posting_is_forbidden(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a function without permission to post
    tab, generation = open_tab(user, ping_seconds=60), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.posts(403, times=1)):
        fault_stack.callback(generation)
        # Then no row is deleted, and the message is retried until the permission is granted
        tab.sees(generation, seconds=30)
    assert len(fault_stack.connection_rows(user)) == 1


@pytest.mark.parametrize(
    "where",
    [rb"DynamoDB_20120810.BatchWriteItem", rb"POST [^ ]*@connections/"],
    ids=["before it stores", "before it posts"],
)
def test_row_6_deliver_dies_halfway(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, where: bytes
) -> None:
    # Given a deliver function that is killed halfway
    tab, generation = open_tab(user, ping_seconds=60), fault_stack.generation(user)
    killed = fault_stack.aws_tap.on("request", where, "kill")
    fault_stack.callback(generation)
    # Then the message is received again, and the event is posted even if it was already stored
    tab.sees(generation, seconds=40)
    assert killed.count == 1


def test_row_24_deliver_runs_out_of_time(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a deliver function with a timeout of four seconds, and posts that hang
    tab, generation = open_tab(user, ping_seconds=60), fault_stack.generation(user)
    functions, name = fault_stack.client("lambda"), fault_stack.function("deliver")
    timeout = functions.get_function_configuration(FunctionName=name)["Timeout"]
    functions.update_function_configuration(FunctionName=name, Timeout=4)
    began = time.time()
    try:
        held = fault_stack.aws_tap.on("request", rb"POST [^ ]*@connections/", "hold", times=None)
        fault_stack.callback(generation)
        held.wait()
        # Then it returns the message to the queue before it is stopped
        eventually(
            lambda: "the time ran out" in fault_stack.logs("deliver", began), "the log says so"
        )
        fault_stack.background.call(fault_stack.aws_tap.clear)
        # And the message is received again
        tab.sees(generation, seconds=30)
    finally:
        functions.update_function_configuration(FunctionName=name, Timeout=timeout)


def test_row_25_a_redriven_dead_letter_is_seen_once(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given events that were delivered but are in the dead-letter queue as well
    tab = open_tab(user)
    generations = [fault_stack.generation(user) for _ in range(3)]
    for generation in generations:
        fault_stack.callback(generation)
    tab.sees(*generations)
    sqs = fault_stack.client("sqs")
    for row in fault_stack.outbox(user):
        sqs.send_message(QueueUrl=fault_stack.env["HERALD_DLQ_URL"], MessageBody=row["event"])
    # When an operator redrives them
    fault_stack.redrive()
    # Then they are posted again, and the application still handles each only once
    eventually(lambda: len(tab.client.of("event")) >= 6, "the events are pushed again")
    tab.sees(*generations)
    assert fault_stack.waiting("HERALD_DLQ_URL") == 0


def test_events_that_sns_could_not_enqueue_are_redriven(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a queue with a broken policy: SNS accepts the event, but it does not reach the queue
    tab, generation = open_tab(user, ping_seconds=60), fault_stack.generation(user)
    sqs, queue = fault_stack.client("sqs"), fault_stack.env["HERALD_QUEUE_URL"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    try:
        assert fault_stack.callback(generation).status == 200
        eventually(lambda: fault_stack.outbox(user)[0]["published"], "the event is marked")
        assert tab.client.results() == []
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=policy)
    # And given the event in the subscription's dead-letter queue, as SNS on AWS would put it there
    dead_letters = fault_stack.env["HERALD_SUBSCRIPTION_DLQ_URL"]
    sqs.send_message(QueueUrl=dead_letters, MessageBody=fault_stack.outbox(user)[0]["event"])
    # When an operator redrives it, then it arrives
    fault_stack.redrive("subscription")
    tab.sees(generation)

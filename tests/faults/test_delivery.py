"""Faults between the queue and the pages: rows 9-18, 24, 25 and 28 of the fault table."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import rules
from tests.faults.background import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.stack import FaultStack, Page

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def empty_dead_letters(fault_stack: FaultStack) -> Iterator[None]:
    """Each test looks at its own dead letters."""
    fault_stack.drain()
    yield
    fault_stack.drain()


def grown_up(fault_stack: FaultStack, user: str) -> None:
    """Let the time pass during which API Gateway may answer 410 for a connection being made."""
    for row in fault_stack.connection_rows(user):
        older = {**row, "connected_at": row["connected_at"] - 60}
        fault_stack.write_connection(user, older)


def receives_of(fault_stack: FaultStack, user: str) -> str:
    """A microburst condition: a request of DynamoDB that concerns this user."""
    return f"contains(to_string(@), '{user}')"


def test_row_9_sqs_delivers_twice(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given an event that was delivered
    page, generation = open_page(user), fault_stack.generation(user)
    fault_stack.callback(generation)
    page.sees(generation)
    # When SQS brings it again and again, then it is pushed again
    for _ in range(2):
        before = len(page.client.of("event"))
        fault_stack.send(fault_stack.outbox(user)[0]["event"])
        page.more_than(before, "event")
    # And the application sees nothing of it
    page.sees(generation)


def test_row_10_events_overtake_each_other(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a first event that waits for the relay, and a second that does not
    page = open_page(user)
    first, second = fault_stack.generation(user), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.SNS_REFUSES):
        fault_stack.callback(first)
    fault_stack.callback(second)
    page.sees(second)
    # Then the page knows that one is missing, and it is no gap
    assert page.client.cursor.offset == 0
    # When the relay has run, then both are there
    fault_stack.relay()
    page.sees(first, second)
    assert page.client.results() == [second, first]
    assert (page.client.cursor.offset, page.client.of("gap")) == (2, [])


def test_row_11_poison_messages_fail_alone(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given messages that are no events, among events
    page, generation = open_page(user), fault_stack.generation(user)
    fault_stack.callback(generation)
    page.sees(generation)
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
    # Then the events are delivered, and each message that is none ends in the dead-letter queue
    page.sees(generation, *others)
    wanted = len(poison)
    eventually(lambda: fault_stack.waiting("HERALD_DLQ_URL") == wanted, "dead letters", 60)
    dead = fault_stack.drain()
    assert sorted(dead) == sorted(poison)
    assert fault_stack.waiting() == 0


def test_row_12_half_of_a_batch_fails(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given two users, one of whom DynamoDB refuses to write for
    unlucky = user + "-unlucky"
    page, unlucky_page = open_page(user), open_page(unlucky)
    generations = {name: fault_stack.generation(name) for name in (user, unlucky)}
    refused = rules.dynamodb("BatchWriteItem", body=receives_of(fault_stack, unlucky))
    refused["error"] = {"code": "ValidationException", "status": 400}
    with fault_stack.aws.fault(**refused):
        # When both have an event in one batch
        with fault_stack.aws.fault(**rules.SNS_REFUSES):
            for generation in generations.values():
                fault_stack.callback(generation)
        fault_stack.relay()
        # Then the other's is delivered at once
        page.sees(generations[user])
        assert unlucky_page.client.results() == []
    # And the refused one comes again, alone
    unlucky_page.sees(generations[unlucky], seconds=30)
    assert len(page.client.of("event")) == 1


def test_the_inbox_cannot_be_written_on_any_receive(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given an inbox that cannot be written for all three receives
    page, generation = open_page(user), fault_stack.generation(user)
    refused = rules.dynamodb("BatchWriteItem", body=receives_of(fault_stack, user))
    with fault_stack.aws.fault(**refused):
        fault_stack.callback(generation)
        # Then the page is told to load its state again, and the message is a dead letter
        assert page.frame("error", 60)["code"] == 4100
        eventually(lambda: fault_stack.waiting("HERALD_DLQ_URL") == 1, "a dead letter", 30)
    # When it is moved back, then it arrives as if nothing had been
    (body,) = fault_stack.drain()
    fault_stack.send(body)
    page.sees(generation)


@pytest.mark.parametrize("operation", ["BatchWriteItem", "BatchGetItem"])
def test_row_14_dynamodb_throttles_and_then_accepts(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, operation: str
) -> None:
    # Given DynamoDB that throttles one step of the delivery twice
    page, generation = open_page(user), fault_stack.generation(user)
    condition = receives_of(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb(operation, body=condition, times=2)):
        # Then the third try of the same receive succeeds
        fault_stack.callback(generation)
        page.sees(generation, seconds=4)  # less than the visibility timeout
        assert len(fault_stack.aws.fired()) == 2


@pytest.mark.parametrize("operation", ["BatchWriteItem", "BatchGetItem"])
def test_row_14_dynamodb_throttles_every_attempt_of_one_receive(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, operation: str
) -> None:
    # Given DynamoDB that throttles every try of one receive
    page, generation = open_page(user), fault_stack.generation(user)
    condition = receives_of(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb(operation, body=condition, times=3)):
        fault_stack.callback(generation)
        # Then the message comes again and is delivered, seen once
        page.sees(generation, seconds=30)
        assert len(fault_stack.aws.fired()) == 3
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    assert fault_stack.waiting("HERALD_DLQ_URL") == 0


def test_row_14_dynamodb_throttles_connect(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a table of connections that cannot be written for a while
    condition = receives_of(fault_stack, user)
    with fault_stack.aws.fault(**rules.dynamodb("UpdateItem", body=condition, times=5)):
        # Then the page is refused, tries again, and is let in: open_page waits for its welcome
        page = open_page(user)
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    page.sees(generation)


def test_row_15_gone_connections_are_removed(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given the row of a connection that is no more: its $disconnect never came (row 28)
    page, generation = open_page(user), fault_stack.generation(user)
    dead = {**fault_stack.connection_rows(user)[0], "connection_id": "0000dead0000dead"}
    fault_stack.write_connection(user, dead)
    grown_up(fault_stack, user)
    # When an event comes
    fault_stack.callback(generation)
    # Then the living page has it, and the dead row is gone
    page.sees(generation)
    eventually(lambda: len(fault_stack.connection_rows(user)) == 1, "the row is gone")


def test_row_15_a_new_connection_is_kept(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a connection that API Gateway does not know yet, though it is there
    page, generation = open_page(user, ping_seconds=1.0), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.posts(410)):
        fault_stack.callback(generation)
        eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
        assert fault_stack.aws.fired()
    # Then its row stays, and the ping shows the page what it has missed
    assert len(fault_stack.connection_rows(user)) == 1
    page.sees(generation)


@pytest.mark.parametrize("status", [410, 429, 500, 502])
def test_rows_15_to_17_no_post_gets_through(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, status: int
) -> None:
    # Given a page to which nothing can be posted for a while
    page, generation = open_page(user, ping_seconds=1.0), fault_stack.generation(user)
    grown_up(fault_stack, user)
    with fault_stack.aws.fault(**rules.posts(status)):
        fault_stack.callback(generation)
        eventually(lambda: fault_stack.waiting() == 0, "the message is done", 30)
        tried = len(fault_stack.aws.fired())
    # Then it was tried as it should be, and a row is deleted for 410 alone
    assert tried == (1 if status == 410 else 3)
    assert len(fault_stack.connection_rows(user)) == (0 if status == 410 else 1)
    # And the page gets its event all the same: its ping shows what is missing
    page.sees(generation)
    assert page.client.of("gap") == []


@pytest.mark.parametrize("deed", ["hold", "cut"])
def test_row_17_a_bad_connection_does_not_delay_others(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, deed: Any
) -> None:
    # Given two pages of one user, one of which hangs or breaks at every post
    pages = [open_page(user, ping_seconds=1.0) for _ in range(2)]
    fault_stack.callback(warm_up := fault_stack.generation(user))
    for page in pages:
        page.sees(warm_up)
    victim, other = pages
    connection = victim.client.of("welcome")[-1]["connection"].encode()
    fault_stack.aws_tap.on("request", rb"POST [^ ]*@connections/" + connection, deed, times=None)
    # When an event comes
    generation = fault_stack.generation(user)
    began = time.monotonic()
    fault_stack.callback(generation)
    # Then the other has it long before the first one's time is up
    other.sees(warm_up, generation)
    assert time.monotonic() - began < 2.5
    # And the victim fetches it by itself
    fault_stack.background.call(fault_stack.aws_tap.clear)
    victim.sees(warm_up, generation)


def test_row_18_posting_is_forbidden(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a deployment whose function may not post
    page, generation = open_page(user, ping_seconds=60), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.posts(403, times=1)):
        fault_stack.callback(generation)
        # Then no row is deleted and the message comes again, until the right is there
        page.sees(generation, seconds=30)
    assert len(fault_stack.connection_rows(user)) == 1


@pytest.mark.parametrize(
    "where",
    [rb"DynamoDB_20120810.BatchWriteItem", rb"POST [^ ]*@connections/"],
    ids=["before it stores", "before it posts"],
)
def test_row_6_deliver_dies_halfway(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, where: bytes
) -> None:
    # Given a deliver that is killed in the middle
    page, generation = open_page(user, ping_seconds=60), fault_stack.generation(user)
    killed = fault_stack.aws_tap.on("request", where, "kill")
    fault_stack.callback(generation)
    # Then the message comes again, and is pushed although it was stored
    page.sees(generation, seconds=40)
    assert killed.count == 1


def test_row_24_deliver_runs_out_of_time(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a deliver with three seconds, and posts that hang
    page, generation = open_page(user, ping_seconds=60), fault_stack.generation(user)
    functions, name = fault_stack.client("lambda"), fault_stack.function("deliver")
    timeout = functions.get_function_configuration(FunctionName=name)["Timeout"]
    functions.update_function_configuration(FunctionName=name, Timeout=4)
    began = time.time()
    try:
        held = fault_stack.aws_tap.on("request", rb"POST [^ ]*@connections/", "hold", times=None)
        fault_stack.callback(generation)
        held.wait()
        # Then it gives the message back before it is stopped
        eventually(lambda: "the time ran out" in fault_stack.logs("deliver", began), "it says so")
        fault_stack.background.call(fault_stack.aws_tap.clear)
        # And the message comes again
        page.sees(generation, seconds=30)
    finally:
        functions.update_function_configuration(FunctionName=name, Timeout=timeout)


def test_row_25_a_redriven_dead_letter_is_seen_once(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given events that were delivered, and are in the dead-letter queue all the same
    page = open_page(user)
    generations = [fault_stack.generation(user) for _ in range(3)]
    for generation in generations:
        fault_stack.callback(generation)
    page.sees(*generations)
    sqs = fault_stack.client("sqs")
    for row in fault_stack.outbox(user):
        sqs.send_message(QueueUrl=fault_stack.env["HERALD_DLQ_URL"], MessageBody=row["event"])
    # When an operator moves them back
    fault_stack.redrive()
    # Then they are pushed again, and the application sees nothing of it
    eventually(lambda: len(page.client.of("event")) >= 6, "they are pushed again")
    page.sees(*generations)
    assert fault_stack.waiting("HERALD_DLQ_URL") == 0


def test_events_that_sns_could_not_enqueue_are_redriven(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a queue whose policy was broken: SNS publishes, and the event does not arrive
    page, generation = open_page(user, ping_seconds=60), fault_stack.generation(user)
    sqs, queue = fault_stack.client("sqs"), fault_stack.env["HERALD_QUEUE_URL"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    try:
        assert fault_stack.callback(generation).status == 200
        assert [row["published"] for row in fault_stack.outbox(user)] == [True]
        assert page.client.results() == []
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=policy)
    # And SNS has put it into the subscription's dead-letter queue, which the emulator does not do
    dead_letters = fault_stack.env["HERALD_SUBSCRIPTION_DLQ_URL"]
    sqs.send_message(QueueUrl=dead_letters, MessageBody=fault_stack.outbox(user)[0]["event"])
    # When an operator moves it back, then it arrives
    fault_stack.redrive("subscription")
    page.sees(generation)

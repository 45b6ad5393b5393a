"""Faults between API Gateway and the pages, and recovery: rows 19-22 and protocol.md §4."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from local import tokens
from tests.faults import rules
from tests.faults.background import eventually
from tests.faults.stack import boto3_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.faults.stack import FaultStack, Page

pytestmark = pytest.mark.faults


def test_row_19_a_client_that_does_not_read_does_not_delay_others(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given two pages, one of which has stopped to read
    slow, other = open_page(user, ping_seconds=60), open_page(user)
    slow.do("stop_reading")
    # When events come
    generations = [fault_stack.generation(user) for _ in range(3)]
    for generation in generations:
        fault_stack.callback(generation)
    # Then the other has them, and the queue waits for nobody
    other.sees(*generations)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    assert slow.client.results() == []


def test_row_20_the_network_breaks_between_post_and_client(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a page whose network breaks just as the event comes: @connections answers 200
    page, generation = open_page(user), fault_stack.generation(user)
    lost = fault_stack.aws_tap.on("answer", rb'"type":"event".*' + generation.encode(), "cut")
    fault_stack.callback(generation)
    lost.wait()
    # Then it comes back with its cursor, and gets what it has missed
    page.sees(generation)
    assert page.client.connections == 2
    assert [frame["replayed"] for frame in page.client.handled] == [True]


def test_row_20_a_returning_client_receives_everything_in_order(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a page that saw a first event and then goes away
    page = open_page(user)
    generations = [fault_stack.generation(user) for _ in range(5)]
    fault_stack.callback(generations[0])
    page.sees(generations[0])
    page.do("go_offline")
    # When more events come in the meantime
    for generation in generations[1:]:
        assert fault_stack.callback(generation).status == 200
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # Then it gets them on its return, oldest first
    page.do("come_back")
    page.sees(*generations)
    assert page.client.results() == generations


def test_row_21_a_reconnect_storm(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given many pages of several users
    users = [f"{user}-{number}" for number in range(3)]
    pages = [open_page(name) for name in users for _ in range(5)]
    generations = {name: fault_stack.generation(name) for name in users}
    # When all lose their connection at once, and events come while they fight to return
    fault_stack.background.call(fault_stack.aws_tap.cut)
    for generation in generations.values():
        assert fault_stack.callback(generation).status == 200
    # Then every one is back, and has missed nothing
    for page in pages:
        page.sees(generations[page.client.user], seconds=60)
        assert page.client.of("gap") == []


def test_row_22_a_token_expires_while_the_client_is_connected(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a page that connected with a token of a few seconds
    lifetimes = iter([8.0])
    page = open_page(
        user, token=lambda: tokens.issue(fault_stack.env, user, next(lifetimes, 3600.0))
    )
    ends = eventually(lambda: fault_stack.connection_rows(user), "its row")[0]["token_expires_at"]
    eventually(lambda: time.time() > ends, "the token's end", 30)
    # When an event comes after the token's end
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    # Then the page is told why, comes back with a fresh token, and gets the event
    page.sees(generation)
    assert [frame["code"] for frame in page.client.of("close")] == [4202]
    assert page.client.connections == 2


def test_row_22_a_client_renews_its_token_in_time(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a page with a short token
    lifetimes = iter([8.0])
    page = open_page(
        user, token=lambda: tokens.issue(fault_stack.env, user, next(lifetimes, 3600.0))
    )
    first_end = fault_stack.connection_rows(user)[0]["token_expires_at"]
    # When it shows a fresh one
    page.send("auth", token=tokens.issue(fault_stack.env, user))
    assert page.frame("auth_ok")["token_ms"] > 3_000_000
    eventually(lambda: time.time() > first_end, "the first token's end", 30)
    # Then its connection outlives the first one
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    page.sees(generation)
    assert (page.client.connections, page.client.of("close")) == (1, [])


def test_a_hello_that_fails_is_refused_and_retried(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given an inbox that cannot be read for a while
    page, generation = open_page(user, ping_seconds=60), fault_stack.generation(user)
    condition = f"contains(to_string(@), '{user}')"
    with fault_stack.aws.fault(**rules.dynamodb("Query", body=condition)):
        # When a page comes back
        page.do("cut")
        error = page.frame("error")
    # Then it is told to try later, and its next hello is served
    assert (error["code"], error["retry_after_ms"] > 0) == (4100, True)
    fault_stack.callback(generation)
    page.sees(generation)


def test_the_database_was_restored(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a page that has seen an event and is away
    page = open_page(user)
    first, second = fault_stack.generation(user), fault_stack.generation(user)
    fault_stack.callback(first)
    page.sees(first)
    page.do("go_offline")
    # When the database is restored from a backup without that event, and streams get a new epoch
    fault_stack.query(
        "UPDATE streams SET epoch = herald_epoch(), last_offset = 0 WHERE user_id = %s", user
    )
    fault_stack.callback(second)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # Then the page is told to load its state again, and goes on in the new epoch
    page.do("come_back")
    gap = page.frame("gap")
    assert (gap["reason"], gap["head"]) == ("epoch_changed", 1)
    third = fault_stack.generation(user)
    fault_stack.callback(third)
    page.sees(first, third)


def test_more_events_were_missed_than_are_replayed(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a stream of 301 events that a page has not seen
    fault_stack.callback(generation := fault_stack.generation(user))
    open_page(user).sees(generation)
    event = json.loads(fault_stack.outbox(user)[0]["event"])
    with boto3_table(fault_stack, "HERALD_INBOX_TABLE").batch_writer() as table:
        for offset in range(2, 302):
            event.update(sequence=str(offset), id=str(uuid.uuid4()), subject=str(uuid.uuid4()))
            table.put_item(Item=inbox_item(user, event, ends=time.time() + 3600))
        position = f"head/{event['epoch']}/{301:016d}"
        head = {"user_id": user, "position": position, "expires_at": int(time.time()) + 3600}
        table.put_item(Item=head)
    # When it asks for all of it, then it is told of a gap instead of being flooded
    late = open_page(user)
    gap = late.frame("gap")
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("limit", 1, 301)
    assert late.client.handled == []
    # And when it asks for a part, then it gets that part
    late.send("history", since=201, limit=100)
    eventually(lambda: len(late.client.handled) == 100, "100 events")


def test_the_missed_events_have_expired(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a stream that began before the retention, with its first events expired
    old = int((time.time() - 30 * 86_400) * 1000)
    epoch = str(uuid.UUID(f"{old:012x}70008000{uuid.uuid4().hex[:12]}"))
    fault_stack.query(
        "INSERT INTO streams (user_id, epoch, last_offset) VALUES (%s, %s, 5)", user, epoch
    )
    table = boto3_table(fault_stack, "HERALD_INBOX_TABLE")
    expired = {"epoch": epoch, "sequence": "5", "id": "expired", "subject": "expired"}
    table.put_item(Item=inbox_item(user, expired, ends=time.time() - 60))
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # When a page resumes from before them, then it is told what is missing
    page = open_page(user)
    page.send("hello", resume={"epoch": epoch, "offset": 3})
    gap = page.frame("gap")
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("expired", 6, 6)


def inbox_item(user: str, event: Mapping[str, object], *, ends: float) -> dict[str, object]:
    """An event as deliver stores it."""
    position = f"{event['epoch']}/{int(str(event['sequence'])):016d}"
    text = json.dumps(event)
    return {"user_id": user, "position": position, "event": text, "expires_at": int(ends)}

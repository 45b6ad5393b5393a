"""Faults between API Gateway and the clients, and recovery: rows 19-22 of the fault table, and the
client requirements in protocol.md.
"""

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

    from tests.faults.stack import FaultStack, Tab

pytestmark = pytest.mark.faults


def test_row_19_a_client_that_does_not_read_does_not_delay_others(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given two tabs, one of which has stopped reading
    slow, other = open_tab(user, ping_seconds=60), open_tab(user)
    slow.do("stop_reading")
    # When events come
    generations = [fault_stack.generation(user) for _ in range(3)]
    for generation in generations:
        fault_stack.callback(generation)
    # Then the other tab receives them, and the queue is not delayed
    other.sees(*generations)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    assert slow.client.results() == []


def test_row_20_the_network_breaks_between_post_and_client(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a tab whose network breaks just as the event arrives, although @connections answered 200
    tab, generation = open_tab(user), fault_stack.generation(user)
    lost = fault_stack.aws_tap.on("answer", rb'"type":"event".*' + generation.encode(), "cut")
    fault_stack.callback(generation)
    lost.wait()
    # Then it reconnects with its cursor and gets the missed event
    tab.sees(generation)
    assert tab.client.connections == 2
    assert [frame["replayed"] for frame in tab.client.handled] == [True]


def test_row_20_a_returning_client_receives_everything_in_order(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a tab that saw a first event and then goes offline
    tab = open_tab(user)
    generations = [fault_stack.generation(user) for _ in range(5)]
    fault_stack.callback(generations[0])
    tab.sees(generations[0])
    tab.do("go_offline")
    # When more events come meanwhile
    for generation in generations[1:]:
        assert fault_stack.callback(generation).status == 200
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # Then it gets them on its return, oldest first
    tab.do("come_back")
    tab.sees(*generations)
    assert tab.client.results() == generations


def test_row_21_a_reconnect_storm(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given many tabs of several users
    users = [f"{user}-{number}" for number in range(3)]
    tabs = [open_tab(name) for name in users for _ in range(5)]
    generations = {name: fault_stack.generation(name) for name in users}
    # When all lose their connection at once, and events arrive while they reconnect
    fault_stack.background.call(fault_stack.aws_tap.cut)
    for generation in generations.values():
        assert fault_stack.callback(generation).status == 200
    # Then all tabs are connected again and have handled every event
    for tab in tabs:
        tab.sees(generations[tab.client.user], seconds=60)
        assert tab.client.of("gap") == []


def test_row_22_a_token_expires_while_the_client_is_connected(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a tab that connected with a token valid for a few seconds
    lifetimes = iter([8.0])
    tab = open_tab(user, token=lambda: tokens.issue(fault_stack.env, user, next(lifetimes, 3600.0)))
    rows = eventually(lambda: fault_stack.connection_rows(user), "the connection's row")
    expires = rows[0]["token_expires_at"]
    eventually(lambda: time.time() > expires, "the token's expiry", 30)
    # When an event comes after the token has expired
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    # Then the tab receives the reason, reconnects with a fresh token and gets the event
    tab.sees(generation)
    assert [frame["code"] for frame in tab.client.of("close")] == [4202]
    assert tab.client.connections == 2


def test_row_22_a_client_renews_its_token_in_time(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a tab with a short-lived token
    lifetimes = iter([8.0])
    tab = open_tab(user, token=lambda: tokens.issue(fault_stack.env, user, next(lifetimes, 3600.0)))
    first_expires = fault_stack.connection_rows(user)[0]["token_expires_at"]
    # When it sends a fresh one
    tab.send("auth", token=tokens.issue(fault_stack.env, user))
    assert tab.frame("auth_ok")["token_ms"] > 3_000_000
    eventually(lambda: time.time() > first_expires, "the first token's expiry", 30)
    # Then its connection stays open after the first one has expired
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    tab.sees(generation)
    assert (tab.client.connections, tab.client.of("close")) == (1, [])


def test_a_hello_that_fails_is_refused_and_retried(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given an inbox that cannot be read for a while
    tab, generation = open_tab(user, ping_seconds=60), fault_stack.generation(user)
    condition = f"contains(to_string(@), '{user}')"
    with fault_stack.aws.fault(**rules.dynamodb("Query", body=condition)):
        # When a tab reconnects
        tab.do("cut")
        error = tab.frame("error")
    # Then it is asked to retry later, and its next hello is served
    assert (error["code"], error["retry_after_ms"] > 0) == (4100, True)
    fault_stack.callback(generation)
    tab.sees(generation)


def test_the_database_was_restored(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a tab that has seen an event and is offline
    tab = open_tab(user)
    first, second = fault_stack.generation(user), fault_stack.generation(user)
    fault_stack.callback(first)
    tab.sees(first)
    tab.do("go_offline")
    # When the database is restored from a backup without that event, and streams get a new epoch
    fault_stack.query(
        "UPDATE herald.streams SET epoch = herald.herald_epoch(), last_offset = 0"
        " WHERE user_id = %s",
        user,
    )
    fault_stack.callback(second)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # Then a gap tells the tab to reload its state, and the tab continues in the new epoch
    tab.do("come_back")
    gap = tab.frame("gap")
    assert (gap["reason"], gap["head"]) == ("epoch_changed", 1)
    third = fault_stack.generation(user)
    fault_stack.callback(third)
    tab.sees(first, third)


def test_more_events_were_missed_than_are_replayed(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a stream of 301 events that a tab has not seen
    fault_stack.callback(generation := fault_stack.generation(user))
    open_tab(user).sees(generation)
    event = json.loads(fault_stack.outbox(user)[0]["event"])
    with boto3_table(fault_stack, "HERALD_INBOX_TABLE").batch_writer() as table:
        for offset in range(2, 302):
            event.update(sequence=str(offset), id=str(uuid.uuid4()), subject=str(uuid.uuid4()))
            table.put_item(Item=inbox_item(user, event, expires=time.time() + 3600))
        position = f"{event['epoch']}/{301:016d}/head"
        head = {"user_id": user, "position": position, "expires_at": int(time.time()) + 3600}
        table.put_item(Item=head)
    # When it requests all of them, then it gets a gap
    late = open_tab(user)
    gap = late.frame("gap")
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("limit", 1, 301)
    assert late.client.handled == []
    # And when it requests some of them, then it gets those
    late.send("history", since=201, limit=100)
    eventually(lambda: len(late.client.handled) == 100, "100 events")


def test_the_missed_events_have_expired(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a stream that is older than the retention period, so that its first events have expired
    old = int((time.time() - 30 * 86_400) * 1000)
    epoch = str(uuid.UUID(f"{old:012x}70008000{uuid.uuid4().hex[:12]}"))
    fault_stack.query(
        "INSERT INTO herald.streams (user_id, epoch, last_offset) VALUES (%s, %s, 5)", user, epoch
    )
    table = boto3_table(fault_stack, "HERALD_INBOX_TABLE")
    expired = {"epoch": epoch, "sequence": "5", "id": "expired", "subject": "expired"}
    table.put_item(Item=inbox_item(user, expired, expires=time.time() - 60))
    generation = fault_stack.generation(user)
    fault_stack.callback(generation)
    eventually(lambda: fault_stack.waiting() == 0, "an empty queue")
    # When a tab resumes from an offset before them, then it gets a gap that says what is missing
    tab = open_tab(user)
    tab.send("hello", resume={"epoch": epoch, "offset": 3})
    gap = tab.frame("gap")
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("expired", 6, 6)


def inbox_item(user: str, event: Mapping[str, object], *, expires: float) -> dict[str, object]:
    """Return the item that deliver stores for an event."""
    position = f"{event['epoch']}/{int(str(event['sequence'])):016d}"
    text = json.dumps(event)
    return {"user_id": user, "position": position, "event": text, "expires_at": int(expires)}

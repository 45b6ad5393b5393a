"""Faults between PostgreSQL and the queue: rows 5-8, 23 and 27 of the fault table."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.faults import rules
from tests.faults.background import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.alerts import Alerts
    from tests.faults.stack import FaultStack, Tab

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    "rule", [rules.SNS_REFUSES_EVENTS, rules.SNS_DENIES_KMS], ids=["row 5: 5xx", "row 23: KMS"]
)
def test_sns_rejects_the_publish(
    fault_stack: FaultStack,
    open_tab: Callable[..., Tab],
    alerts: Alerts,
    user: str,
    rule: rules.Rule,
) -> None:
    # Given a topic that rejects every publish
    tab, generation = open_tab(user), fault_stack.generation(user)
    with fault_stack.aws.fault(**rule):
        # When the provider calls, then it need not retry: the outbox has the event
        answer = fault_stack.callback(generation)
        assert answer.status == 200
        assert len(fault_stack.aws.fired()) == 3  # three attempts
        assert [row["published"] for row in fault_stack.outbox(user)] == [False]
        # And operators are alerted
        alerts.expect("could not publish", answer.body["eventId"])
    assert tab.client.results() == []
    # When SNS is back, then the relay delivers
    fault_stack.relay()
    tab.sees(generation)
    assert [row["published"] for row in fault_stack.outbox(user)] == [True]


def test_row_5_sns_rejects_the_relay_too(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given an unpublished event in the outbox, and SNS that refuses all requests, including alerts
    tab, generation, began = open_tab(user), fault_stack.generation(user), time.time()
    with fault_stack.aws.fault(**rules.SNS_REFUSES):
        assert fault_stack.callback(generation).status == 200
        # When the relay runs, then the metrics for the alarms are emitted without SNS
        assert fault_stack.relay()["oldestSeconds"] >= 60
        assert '"PublishFailures":1' in fault_stack.logs("callback", began)
        assert '"OutboxOldestSeconds":' in fault_stack.logs("relay", began)
        assert [row["published"] for row in fault_stack.outbox(user)] == [False]
    assert fault_stack.relay()["oldestSeconds"] == 0
    tab.sees(generation)


def test_row_6_the_process_dies_between_commit_and_publish(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a function that is killed when it calls SNS
    tab, generation = open_tab(user), fault_stack.generation(user)
    killed = fault_stack.aws_tap.on("request", rb"Action=Publish&", "kill")
    assert fault_stack.callback(generation, webhook_id="msg_" + generation).status >= 500
    assert killed.count == 1
    assert [row["published"] for row in fault_stack.outbox(user)] == [False]
    # When no retry ever comes, then the relay publishes the recorded event
    assert fault_stack.relay()["relayed"] >= 1
    tab.sees(generation)
    # And a late call changes nothing
    again = fault_stack.callback(generation, webhook_id="msg_" + generation)
    assert (again.status, again.body["outcome"]) == (200, "duplicate")
    assert len(fault_stack.outbox(user)) == 1


def test_row_7_sns_throttles_and_then_accepts(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given SNS that throttles twice
    tab, generation = open_tab(user), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.SNS_THROTTLES_TWICE):
        assert fault_stack.callback(generation).status == 200
        assert len(fault_stack.aws.fired()) == 2
    # Then the third attempt delivers, without the relay
    tab.sees(generation)
    eventually(lambda: fault_stack.outbox(user)[0]["published"], "the event is marked")
    assert len(tab.client.of("event")) == 1


def test_row_8_the_response_of_sns_is_lost(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a publish that SNS accepts, with its response cut off
    tab, generation = open_tab(user), fault_stack.generation(user)
    with fault_stack.aws.fault(**rules.SNS_LOSES_ONE_ANSWER):
        assert fault_stack.callback(generation).status == 200
        assert len(fault_stack.aws.fired()) == 1
    # Then it is published twice, with the same id
    eventually(lambda: len(tab.client.of("event")) == 2, "the event arrives twice")
    assert len({frame["event"]["id"] for frame in tab.client.of("event")}) == 1
    # And the application sees it once
    tab.sees(generation)


def test_row_27_relays_overlap(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a backlog of several batches
    tab = open_tab(user)
    generations = [fault_stack.generation(user) for _ in range(20)]
    with fault_stack.aws.fault(**rules.SNS_REFUSES):
        for generation in generations:
            assert fault_stack.callback(generation).status == 200
    # When three relays run at once
    slow = fault_stack.aws.fault(service="sns", operation="PublishBatch", latency=300)
    with slow, ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(fault_stack.relay) for _ in range(3)]
        relayed = sum(run.result()["relayed"] for run in runs)
    # Then each event is published and seen once
    tab.sees(*generations)
    assert all(row["published"] for row in fault_stack.outbox(user))
    # And no two relays took the same event
    assert relayed == len(generations)
    offsets = [json.loads(row["event"])["sequence"] for row in fault_stack.outbox(user)]
    assert offsets == [str(number) for number in range(1, 21)]

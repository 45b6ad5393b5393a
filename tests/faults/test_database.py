"""Faults of PostgreSQL while a webhook is recorded: rows 1-4 of the fault table."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests import pgbouncer
from tests.faults import rules
from tests.faults.background import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.alerts import Alerts
    from tests.faults.stack import FaultStack, Tab

pytestmark = pytest.mark.faults


def test_row_1_the_database_is_down(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], alerts: Alerts, user: str
) -> None:
    # Given a tab and a generation in progress
    tab, generation, began = open_tab(user), fault_stack.generation(user), time.time()
    # When the database crashes and the provider calls
    fault_stack.stack.postgres.stop("immediate")
    refused = fault_stack.callback(generation, webhook_id="msg_" + generation)
    # Then the provider is asked to retry, operators are alerted, the metric of the alarm is
    # emitted, and nothing is written
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    alerts.expect("could not record a result", generation)
    assert '"DatabaseFailures":1' in fault_stack.logs("callback", began)
    fault_stack.stack.postgres.start()
    assert fault_stack.status(generation) == "PENDING"
    assert fault_stack.outbox(user) == []
    # And when the provider retries with the same webhook-id, the result is recorded as usual
    assert fault_stack.callback(generation, webhook_id="msg_" + generation).status == 200
    tab.sees(generation)


def test_row_1_the_database_refuses_connections(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given functions without an open connection, and a server that accepts no new connection
    tab, generation = open_tab(user), fault_stack.generation(user)
    fault_stack.kill("callback")
    began = time.time()
    with fault_stack.database.fault(**rules.DATABASE_REFUSES):
        assert fault_stack.callback(generation).status == 503
        # Three attempts of `callback`. `relay` and `reconcile` may run now, and add their own.
        assert fault_stack.logs("callback", began).count('"database failed"') == 3
        assert len(fault_stack.database.fired()) >= 3
    assert fault_stack.callback(generation).status == 200
    tab.sees(generation)


def test_row_2_the_database_hangs_mid_statement(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a database that never answers the UPDATE
    tab, generation = open_tab(user), fault_stack.generation(user)
    with fault_stack.database.fault(**rules.DATABASE_HANGS):
        # When the provider calls, then it gets a response within the function's timeout
        answer = fault_stack.callback(generation, seconds=20)
    assert answer.status == 503
    assert fault_stack.status(generation) == "PENDING"
    # And the owner, who is read on another connection, is notified at once
    notice = tab.frame("event")
    assert (notice["offset"], notice["event"]["data"]["error"]["code"]) == (None, "not_recorded")
    # And the result of the next attempt supersedes the notice
    assert fault_stack.callback(generation).status == 200
    tab.sees(generation)


@pytest.mark.parametrize(
    "rule",
    [rules.DATABASE_KILLS_ONE_CONNECTION, rules.DATABASE_RESETS_ONE_CONNECTION],
    ids=["killed", "reset"],
)
def test_row_3_the_connection_breaks_before_the_result_is_recorded(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str, rule: rules.Rule
) -> None:
    # Given a connection that breaks before anything is committed
    tab, generation = open_tab(user), fault_stack.generation(user)
    with fault_stack.database.fault(**rule):
        # When the provider calls, then the transaction is retried on a fresh connection
        answer = fault_stack.callback(generation)
        assert len(fault_stack.database.fired()) == 1
    assert (answer.status, answer.body["outcome"]) == (200, "recorded")
    # And there is one event, at the stream's first offset
    tab.sees(generation)
    assert [frame["offset"] for frame in tab.client.handled] == [1]


def test_row_4_the_response_to_the_commit_is_lost(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a result that the server commits and whose response never arrives
    tab, generation = open_tab(user), fault_stack.generation(user)
    lost = fault_stack.database_tap.on("answer", rules.RECORDED, "cut")
    # When the provider calls
    answer = fault_stack.callback(generation)
    # Then the second attempt finds the recorded result and publishes it
    assert lost.count == 1
    assert (answer.status, answer.body["outcome"]) == (200, "duplicate")
    tab.sees(generation)
    # And no offset was wasted
    assert [row["id"] for row in fault_stack.outbox(user)] == [answer.body["eventId"]]
    eventually(lambda: fault_stack.outbox(user)[0]["published"], "the event is marked")
    assert [frame["offset"] for frame in tab.client.handled] == [1]


def test_row_4_the_process_dies_before_the_commit_is_confirmed(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given a function that is killed before it gets the response to its result
    tab, generation = open_tab(user), fault_stack.generation(user)
    killed = fault_stack.database_tap.on("answer", rules.RECORDED, "kill")
    assert fault_stack.callback(generation, webhook_id="msg_" + generation).status >= 500
    assert killed.count == 1
    assert fault_stack.status(generation) == "COMPLETE"
    # When the provider retries, as it does after a 5xx response
    answer = fault_stack.callback(generation, webhook_id="msg_" + generation)
    # Then the recorded result is recognized and published
    assert (answer.status, answer.body["outcome"]) == (200, "duplicate")
    tab.sees(generation)


def test_a_pooler_in_transaction_mode_needs_no_special_settings(
    fault_stack: FaultStack, open_tab: Callable[..., Tab], user: str
) -> None:
    # Given PgBouncer in front of the database, and a secret in the JSON format of RDS
    tab = open_tab(user)
    with pgbouncer.in_front_of(fault_stack.stack.postgres) as pooled:
        secret = {
            "username": pooled.user,
            "password": pooled.password,
            "host": "127.0.0.1",
            "port": pooled.port,
            "dbname": "herald",
        }
        with fault_stack.database_at(json.dumps(secret)):
            generation = fault_stack.generation(user)
            # When the provider calls, then the result is recorded and reaches the tab
            answer = fault_stack.callback(generation)
            assert (answer.status, answer.body["outcome"]) == (200, "recorded")
            tab.sees(generation)

"""Faults of PostgreSQL while a webhook is recorded: rows 1-4 of the fault table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.faults import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.alerts import Alerts
    from tests.faults.stack import FaultStack, Page

pytestmark = pytest.mark.faults

COMMIT = rb"^Q....COMMIT\0"
COMMITTED = rb"C....COMMIT\0"


def test_row_1_the_database_is_down(
    fault_stack: FaultStack, open_page: Callable[..., Page], alerts: Alerts, user: str
) -> None:
    # Given a page, and a generation under way
    page, generation, began = open_page(user), fault_stack.generation(user), time.time()
    # When the database crashes and the provider calls
    fault_stack.stack.postgres.stop("immediate")
    refused = fault_stack.callback(generation, webhook_id="msg_" + generation)
    # Then it is asked to call again, people are told, the alarm has its metric, nothing is written
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    alerts.expect("could not record a result", generation)
    assert '"DatabaseFailures":1' in fault_stack.logs("callback", began)
    fault_stack.stack.postgres.start()
    assert fault_stack.status(generation) == "PENDING"
    assert fault_stack.outbox(user) == []
    # And when it calls again under the same webhook-id, all is as if nothing had been
    assert fault_stack.callback(generation, webhook_id="msg_" + generation).status == 200
    page.sees(generation)


def test_row_1_the_database_refuses_connections(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given functions without an open connection, and a server that takes no more
    page, generation = open_page(user), fault_stack.generation(user)
    fault_stack.kill("callback")
    with fault_stack.database.fault(**rules.DATABASE_REFUSES):
        assert fault_stack.callback(generation).status == 503
        assert len(fault_stack.database.fired()) == 3  # three tries
    assert fault_stack.callback(generation).status == 200
    page.sees(generation)


def test_row_2_the_database_hangs_mid_statement(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a database that never answers the UPDATE
    page, generation = open_page(user), fault_stack.generation(user)
    with fault_stack.database.fault(**rules.DATABASE_HANGS):
        # When the provider calls, then it is answered within the function's time
        answer = fault_stack.callback(generation, seconds=20)
    assert answer.status == 503
    assert fault_stack.status(generation) == "PENDING"
    # And the owner, whom the transaction had already read, is told at once
    notice = page.frame("event")
    assert (notice["offset"], notice["event"]["data"]["error"]["code"]) == (None, "not_recorded")
    # And the next try supersedes the notice
    assert fault_stack.callback(generation).status == 200
    page.sees(generation)


@pytest.mark.parametrize(
    "rule",
    [rules.DATABASE_KILLS_ONE_CONNECTION, rules.DATABASE_RESETS_AT_ONE_COMMIT],
    ids=["killed at the UPDATE", "reset at the COMMIT"],
)
def test_row_3_the_connection_breaks_mid_transaction(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str, rule: rules.Rule
) -> None:
    # Given a connection that breaks before anything is committed
    page, generation = open_page(user), fault_stack.generation(user)
    with fault_stack.database.fault(**rule):
        # When the provider calls, then the transaction is done again on a fresh connection
        answer = fault_stack.callback(generation)
        assert len(fault_stack.database.fired()) == 1
    assert (answer.status, answer.body["outcome"]) == (200, "recorded")
    # And there is one event, at the stream's first offset
    page.sees(generation)
    assert [frame["offset"] for frame in page.client.handled] == [1]


def test_row_4_the_response_to_the_commit_is_lost(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a COMMIT that the server does, and whose answer never arrives
    page, generation = open_page(user), fault_stack.generation(user)
    lost = fault_stack.database_tap.on("answer", COMMITTED, "cut")
    # When the provider calls
    answer = fault_stack.callback(generation)
    # Then the second try finds its own work, and publishes what it finds
    assert lost.count == 1
    assert (answer.status, answer.body["outcome"]) == (200, "duplicate")
    page.sees(generation)
    # And no offset was used for nothing
    rows = fault_stack.outbox(user)
    assert [(row["id"], row["published"]) for row in rows] == [(answer.body["eventId"], True)]
    assert [frame["offset"] for frame in page.client.handled] == [1]


def test_row_4_the_process_dies_before_the_commit_is_confirmed(
    fault_stack: FaultStack, open_page: Callable[..., Page], user: str
) -> None:
    # Given a function that is killed while its COMMIT is being answered
    page, generation = open_page(user), fault_stack.generation(user)
    killed = fault_stack.database_tap.on("answer", COMMITTED, "kill")
    assert fault_stack.callback(generation, webhook_id="msg_" + generation).status >= 500
    assert killed.count == 1
    assert fault_stack.status(generation) == "COMPLETE"
    # When the provider calls again, as it does after a 5xx
    answer = fault_stack.callback(generation, webhook_id="msg_" + generation)
    # Then what was recorded is recognised and published
    assert (answer.status, answer.body["outcome"]) == (200, "duplicate")
    page.sees(generation)

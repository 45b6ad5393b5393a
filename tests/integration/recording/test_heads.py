"""The relay keeps the head of a silent stream in the inbox before it deletes the last event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.recording.relay import Relay
from chalicelib.store.inbox import Head, Inbox
from tests.builders import Context
from tests.integration.recording.test_generations import FakePublisher, complete, record, rows

if TYPE_CHECKING:
    from chalicelib.recording.database import Database
    from tests.integration.recording.conftest import Pending

pytestmark = pytest.mark.integration


@pytest.fixture
def last(database: Database, admin: Any, pending: Pending) -> dict[str, str]:
    """The last event of a stream, which was published eight days ago."""
    recorded = record(database, complete(pending()))
    admin.execute("UPDATE herald.outbox SET published_at = now() - interval '8 days'")
    event: dict[str, str] = json.loads(recorded.event or "")
    return event


def relay(database: Database, inbox: Inbox) -> Relay:
    return Relay("test", database, cast(Any, FakePublisher()), inbox, 7)


def test_the_head_of_a_silent_stream_is_kept(
    database: Database, admin: Any, stored: Inbox, last: dict[str, str]
) -> None:
    assert relay(database, stored).handle(cast(Any, Context()))["purged"] == 1
    assert stored.head(last["userid"]) == Head(last["epoch"], int(last["sequence"]))
    assert rows(admin, "outbox") == []


def test_nothing_is_deleted_while_the_inbox_fails(
    database: Database,
    admin: Any,
    service: Any,
    last: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = Inbox(service, "no-such-table")
    assert relay(database, broken).handle(cast(Any, Context()))["purged"] == 0
    [row] = rows(admin, "outbox")
    assert row["id"] == last["id"]
    metrics, error = map(json.loads, capsys.readouterr().out.splitlines())
    assert metrics["InboxFailures"] == 1
    assert (error["level"], error["message"]) == ("ERROR", "heads of streams not stored")

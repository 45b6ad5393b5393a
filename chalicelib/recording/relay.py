"""The relay. It publishes events that `callback` could not publish, records results that waited for
their generation, and deletes old rows. Before the last event of a silent stream is deleted, it
adds the stream's head to the inbox, where the event expires too.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import deadline_of
from chalicelib.errors import DatabaseError, HeadsNotKept, PublishFailed, ServiceError
from chalicelib.recording import outbox, unmatched
from chalicelib.recording.generations import Outcome
from chalicelib.recording.publishing import BATCH, Publisher
from chalicelib.recording.recorder import publish_and_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.lambda_events import LambdaContext
    from chalicelib.recording.cursor import Cursor
    from chalicelib.recording.database import Database
    from chalicelib.recording.linking import Linking
    from chalicelib.store.inbox import Inbox

ROUND_SECONDS = 12.0  # seconds for one batch: a transaction with three attempts to publish


class Relay:
    """The `relay` function, which runs every minute."""

    def __init__(
        self,
        stage: str,
        database: Database,
        publisher: Publisher,
        inbox: Inbox,
        retention_days: int,
        linking: Linking | None = None,
    ) -> None:
        self._stage = stage
        self._database = database
        self._publisher = publisher
        self._inbox = inbox
        self._retention_days = retention_days
        self._linking = linking

    def handle(self, context: LambdaContext) -> dict[str, object]:
        """Publish the unpublished events in batches, record results that waited for their
        generation, then delete old rows, until the time runs out.
        """
        deadline = deadline_of(context)
        try:
            relayed = drain(self._database, self._publisher, deadline=deadline)
            matched = match(
                self._database,
                self._publisher,
                stage=self._stage,
                deadline=deadline,
                linking=self._linking,
            )
            oldest = self._database.run(outbox.oldest_unpublished_seconds, deadline=deadline)
            purged = self._purge(deadline)
        except DatabaseError as exc:
            telemetry.emit({metrics.DATABASE_FAILURES: 1})
            telemetry.error("relay stopped: the database failed", error=str(exc))
            raise  # counted as an error of the function; the next minute retries
        counts = {
            metrics.EVENTS_RELAYED: relayed,
            metrics.REPORTS_MATCHED: matched,
            metrics.OUTBOX_OLDEST_SECONDS: oldest,
        }
        telemetry.emit({metric: value for metric, value in counts.items() if value})
        done: dict[str, object] = {
            "relayed": relayed,
            "matched": matched,
            "oldestSeconds": round(oldest, 1),
            "purged": purged,
        }
        if telemetry.detailed(None):
            telemetry.debug("relay done", **done)
        return done

    def _purge(self, deadline: float) -> int:
        try:
            return purge(self._database, self._retention_days, self._keep_heads, deadline=deadline)
        except HeadsNotKept as exc:  # the rows are kept, and the next run tries again
            telemetry.emit({metrics.INBOX_FAILURES: 1})
            telemetry.error("heads of streams not stored", error=str(exc))
            return 0

    def _keep_heads(self, heads: Sequence[outbox.Place]) -> None:
        try:
            self._inbox.keep_heads(heads)
        except ServiceError as exc:  # which would be taken for an error of the database
            raise HeadsNotKept(str(exc)) from exc


class _Round(NamedTuple):
    """The outcome of one batch: the ids of the locked rows, and the ids that SNS accepted.

    `reachable` is false if SNS did not accept the batch as a whole.
    """

    claimed: list[str]
    published: list[str]
    reachable: bool = True


def drain(database: Database, publisher: Publisher, *, deadline: float) -> int:
    """Publish events until the outbox is empty, SNS fails or the time runs out; return their
    number.

    Several relays may run concurrently. Each transaction locks its batch, and other relays skip
    locked rows.
    """
    relayed = 0
    refused: list[str] = []
    while time.monotonic() + ROUND_SECONDS < deadline:
        done = database.run(
            partial(_relay_batch, publisher=publisher, refused=refused),
            deadline=deadline,
            seconds=ROUND_SECONDS,
        )
        relayed += len(done.published)
        refused += [event_id for event_id in done.claimed if event_id not in done.published]
        if not done.claimed or not done.reachable:
            break
    return relayed


def match(
    database: Database,
    publisher: Publisher,
    *,
    stage: str,
    deadline: float,
    linking: Linking | None = None,
) -> int:
    """Record and publish results that waited for their generation; return their number."""
    matched = 0
    one = partial(unmatched.match_one, stage=stage, linking=linking)
    while time.monotonic() + ROUND_SECONDS < deadline:
        recorded = database.run(one, deadline=deadline)
        if recorded is None:
            break
        matched += recorded.outcome is Outcome.RECORDED
        if recorded.event_id is not None and recorded.event is not None:
            publish_and_mark(
                database, publisher, recorded.event_id, recorded.event, deadline=deadline
            )
    return matched


def purge(
    database: Database,
    retention_days: int,
    keep_heads: outbox.KeepHeads,
    *,
    deadline: float,
    limit: int = outbox.PURGE_ROWS,
) -> int:
    """Delete rows that are older than their retention, in small transactions, until the time runs
    out.
    """
    purged = 0
    for some in (
        partial(unmatched.purge, limit=limit),
        partial(outbox.purge, retention_days=retention_days, keep_heads=keep_heads, limit=limit),
    ):
        deleted = limit
        while deleted >= limit and time.monotonic() + ROUND_SECONDS < deadline:
            deleted = database.run(some, deadline=deadline)
            purged += deleted
    return purged


def _relay_batch(cursor: Cursor, publisher: Publisher, refused: list[str]) -> _Round:
    rows = outbox.claim_unpublished(cursor, limit=BATCH, skip=refused)
    if not rows:
        return _Round([], [])
    claimed = [row.id for row in rows]
    try:
        published = publisher.publish_batch(rows, deadline=time.monotonic() + ROUND_SECONDS / 2)
    except PublishFailed as exc:
        telemetry.emit({metrics.PUBLISH_FAILURES: 1})
        telemetry.error("relay could not publish", events=len(rows), error=str(exc))
        publisher.alert("Herald's relay could not publish", events=len(rows), error=str(exc))
        return _Round(claimed, [], reachable=False)
    outbox.mark_published(cursor, published)
    return _Round(claimed, published)

"""The relay: publishes what the callback could not, and keeps the outbox small."""

import time
from functools import partial
from typing import Any

from chalicelib import settings, telemetry
from chalicelib.errors import DatabaseUnavailable, PublishFailed
from chalicelib.recording import generations
from chalicelib.recording.database import Database, database
from chalicelib.recording.publishing import BATCH, Publisher, publisher
from chalicelib.retry import deadline_of

ROUND_SECONDS = 12.0  # one batch: three tries at SNS, and the transaction around them


def handle(context: Any) -> dict[str, object]:
    """Publish the backlog, batch by batch, as far as the time goes, and purge what is past its
    retention.
    """
    config = settings.load(settings.Relay)
    deadline = deadline_of(context)
    try:
        relayed = drain(database(), publisher(), deadline=deadline)
        oldest = database().run(generations.oldest_unpublished_seconds, deadline=deadline)
        purged = purge(database(), config.outbox_retention_days, deadline=deadline)
    except DatabaseUnavailable as exc:
        telemetry.metrics(DatabaseFailures=1)
        telemetry.error("relay stopped: the database failed", error=str(exc))
        raise  # counted as an error of the function; the next minute tries again
    telemetry.metrics(EventsRelayed=relayed, OutboxOldestSeconds=oldest)
    telemetry.info("relay done", relayed=relayed, oldest_seconds=round(oldest, 1), purged=purged)
    return {"relayed": relayed, "oldestSeconds": oldest, "purged": purged}


def drain(source: Database, target: Publisher, *, deadline: float) -> int:
    """Publish unpublished outbox rows until none is left, SNS fails or the time is up; return how
    many.

    Several relays may drain at once: each batch is locked for its transaction and passed over by
    the others.
    """
    relayed = 0
    refused: list[str] = []
    while time.monotonic() + ROUND_SECONDS < deadline:
        taken, published = source.run(
            partial(_relay_batch, target=target, refused=refused),
            deadline=deadline,
            seconds=ROUND_SECONDS,
        )
        relayed += len(published)
        refused += [event_id for event_id in taken if event_id not in published]
        if not published:
            break
    return relayed


def purge(source: Database, retention_days: int, *, deadline: float) -> int:
    """Delete what is past its retention, in small transactions, as far as the time goes."""
    purged = 0
    while time.monotonic() + ROUND_SECONDS < deadline:
        deleted = source.run(
            partial(generations.purge, retention_days=retention_days), deadline=deadline
        )
        purged += deleted
        if deleted < generations.PURGE_ROWS:
            break
    return purged


def _relay_batch(cursor: Any, target: Publisher, refused: list[str]) -> tuple[list[str], list[str]]:
    rows = generations.claim_unpublished(cursor, limit=BATCH, skip=refused)
    if not rows:
        return [], []
    ids = [row.id for row in rows]
    try:
        published = target.publish_batch(rows, deadline=time.monotonic() + ROUND_SECONDS / 2)
    except PublishFailed as exc:
        telemetry.metrics(PublishFailures=1)
        telemetry.error("relay could not publish", events=len(rows), error=str(exc))
        target.alert("Herald's relay could not publish", events=len(rows), error=str(exc))
        return ids, []
    generations.mark_published(cursor, published)
    return ids, published

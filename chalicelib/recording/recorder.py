"""Records one report and publishes its event, and handles every failure of these two steps."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.errors import DatabaseError, PublishFailed
from chalicelib.recording import (
    columns,
    generation_events,
    generations,
    outbox,
    unmatched,
    watching,
)
from chalicelib.recording.generations import Outcome

if TYPE_CHECKING:
    from chalicelib.providers.report import Report
    from chalicelib.recording.cursor import Cursor
    from chalicelib.recording.database import Database
    from chalicelib.recording.generations import Recorded, Source
    from chalicelib.recording.linking import Linking
    from chalicelib.recording.publishing import Publisher

# seconds before the deadline at which the database must stop, to leave time for publishing
PUBLISH_SECONDS = 6.0
OWNER_SECONDS = 1.0  # of these, to read whom to notify


class Recorder:
    """Records reports in the database and publishes their events to SNS.

    With `linking`, the outputs of results get stable links.
    """

    def __init__(
        self,
        stage: str,
        database: Database,
        publisher: Publisher,
        linking: Linking | None = None,
    ) -> None:
        self._stage = stage
        self._database = database
        self._publisher = publisher
        self._linking = linking

    def record(
        self, report: Report, source: Source, *, deadline: float, may_wait: bool
    ) -> Recorded:
        """Record a report once, and publish its event.

        An event that SNS does not accept is left to the relay. With `may_wait`, a result that is
        UNMATCHED is kept until its generation appears.

        Raises
        ------
        DatabaseError
            The report was not recorded. If it was a result, its owner and the operators were
            notified.
        """
        if self._linking is not None and report.outputs:
            report = self._linked(self._linking, report, source, deadline)
        reached = False  # whether PostgreSQL could be reached: it may then still name the owner

        def transaction(cursor: Cursor) -> Recorded:
            nonlocal reached
            reached = True
            recorded = generations.record(cursor, report, source, stage=self._stage)
            if may_wait and recorded.outcome is Outcome.UNMATCHED and report.state.is_final:
                unmatched.keep(cursor, columns.result(report), source)
            return recorded

        try:
            recorded = self._database.run(transaction, deadline=deadline - PUBLISH_SECONDS)
        except DatabaseError as exc:
            self._not_recorded(report, source, exc, deadline, reached=reached)
            raise
        if recorded.event is not None:
            self._publish(recorded.event_id, recorded.event, deadline)
        return recorded

    def _publish(self, event_id: str | None, event: str, deadline: float) -> None:
        if event_id is None:
            self._publish_progress(event, deadline)
        else:
            publish_and_mark(self._database, self._publisher, event_id, event, deadline=deadline)

    def check_now(self, provider: str, provider_id: str, *, deadline: float) -> None:
        """Make the rows that a provider's id names due for a look-up; raises DatabaseError."""
        try:
            self._database.run(
                lambda cursor: watching.check_now(cursor, provider, provider_id), deadline=deadline
            )
        except DatabaseError as exc:
            telemetry.emit({metrics.DATABASE_FAILURES: 1})
            telemetry.error("thin event not noted", provider=provider, error=str(exc))
            raise

    def _linked(self, linking: Linking, report: Report, source: Source, deadline: float) -> Report:
        """Return the report with links. Without an id in the webhook, the row names it; if there
        is no row yet, the relay makes the links later.
        """
        generation_id = source.generation_id
        if generation_id is None:
            found = self._owner(source, deadline)
            generation_id = found[0] if found else None
        if generation_id is None:
            return report
        return linking.report(report, source.provider, generation_id)

    def _publish_progress(self, event: str, deadline: float) -> None:
        """Publish progress in one try: it may be lost, and a newer one follows."""
        try:
            self._publisher.publish(event, deadline=deadline, tries=1)
        except PublishFailed as exc:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.warning("progress not published", error=str(exc))

    def _not_recorded(
        self, report: Report, source: Source, exc: DatabaseError, deadline: float, *, reached: bool
    ) -> None:
        telemetry.emit({metrics.DATABASE_FAILURES: 1})
        telemetry.error(
            "report not recorded",
            generation_id=source.generation_id,
            provider=source.provider,
            error=str(exc),
        )
        if report.state.is_final:  # progress may be lost
            self._publish_notice(source, deadline, reached=reached)
            self._publisher.alert(
                "Herald could not record a result",
                generationId=source.generation_id,
                error=str(exc),
            )

    def _publish_notice(self, source: Source, deadline: float, *, reached: bool) -> None:
        limit = min(deadline, time.monotonic() + PUBLISH_SECONDS / 2)
        generation_id, user_id = (reached and self._owner(source, limit)) or (
            source.generation_id,
            None,
        )
        if generation_id is None:
            return
        notice = generation_events.build_notice(
            generation_id, user_id, stage=self._stage, now=datetime.now(UTC)
        )
        try:
            self._publisher.publish(notice, deadline=limit)
        except PublishFailed as failure:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.error("notice not published", error=str(failure))

    def _owner(self, source: Source, deadline: float) -> tuple[str, str] | None:
        limit = min(deadline, time.monotonic() + OWNER_SECONDS)
        try:
            return self._database.run(
                lambda cursor: generations.owner(cursor, source), deadline=limit
            )
        except DatabaseError:
            return None


def publish_and_mark(
    database: Database, publisher: Publisher, event_id: str, event: str, *, deadline: float
) -> None:
    """Publish an event of the outbox, and mark it as published.

    If either fails, the relay publishes it again, under the same id. The provider therefore does
    not wait for the mark: its answer is read by the next transaction.
    """
    if not publisher.publish_or_report(event, event_id=event_id, deadline=deadline):
        return
    try:
        database.send(lambda cursor: outbox.mark_published(cursor, [event_id], wait=False))
    except DatabaseError as exc:
        telemetry.warning("event published but not marked", event_id=event_id, error=str(exc))

"""The publisher. It receives the provider's webhook, records the result and publishes the event."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import deadline_of, lower_headers
from chalicelib.errors import DatabaseError, DatabaseRejected, PublishFailed, Refused, ServiceError
from chalicelib.recording import generation_events, generations, outbox, webhooks
from chalicelib.recording.generations import Outcome, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import HttpEvent, HttpResponse, LambdaContext
    from chalicelib.providers.report import Report
    from chalicelib.recording.database import Cursor, Database
    from chalicelib.recording.publishing import Publisher

# seconds before the deadline at which the database must stop, to leave time for publishing
PUBLISH_SECONDS = 6.0
OWNER_SECONDS = 1.0  # of these, to read whom to notify
RETRY_AFTER_SECONDS = 10
_REJECTED = "The database rejected this result. The operators are notified."


class Callback:
    """The `callback` function; `secrets` returns the signing secrets of the webhook."""

    def __init__(
        self, stage: str, database: Database, publisher: Publisher, secrets: Callable[[], str]
    ) -> None:
        self._stage = stage
        self._database = database
        self._publisher = publisher
        self._secrets = secrets

    def handle(
        self, event: HttpEvent | Mapping[str, object], context: LambdaContext
    ) -> HttpResponse:
        """Handle one webhook, or one direct invocation whose event is the webhook's body.

        A direct invocation has no signature, because IAM authorizes it.
        """
        try:
            if "requestContext" not in event:
                return self._process(webhooks.report_of(event), None, context)
            request = cast("HttpEvent", event)
            body = webhooks.body_of(request)
            webhook_id = webhooks.verify(lower_headers(request), body, self._secrets())
            return self._process(webhooks.report_of(body), webhook_id, context)
        except Refused as exc:
            return _refusal(exc)
        except ServiceError as exc:
            telemetry.error("webhook not verified: its secret could not be read", error=str(exc))
            return _call_again("The webhook could not be verified. Call again.")

    def _process(
        self, report: Report, delivery_id: str | None, context: LambdaContext
    ) -> HttpResponse:
        deadline = deadline_of(context)
        generation_id = cast("str", report.generation_id)
        _report_repairs(generation_id, report.repaired)
        reached = False  # whether PostgreSQL could be reached: it may then still name the owner

        def transaction(cursor: Cursor) -> Recorded:
            nonlocal reached
            reached = True
            return generations.record(
                cursor,
                report,
                generation_id=generation_id,
                delivery_id=delivery_id,
                stage=self._stage,
            )

        try:
            recorded = self._database.run(transaction, deadline=deadline - PUBLISH_SECONDS)
        except DatabaseError as exc:
            return self._not_recorded(report, exc, deadline, reached=reached)
        if recorded.event is not None:
            if recorded.event_id is None:
                self._publish_progress(recorded.event, deadline)
            else:
                self._publish(recorded.event_id, recorded.event, deadline)
        return _answer(generation_id, recorded)

    def _publish(self, event_id: str, event: str, deadline: float) -> None:
        if not self._publisher.publish_or_report(event, event_id=event_id, deadline=deadline):
            return
        try:
            self._database.run(
                lambda cursor: outbox.mark_published(cursor, [event_id]), deadline=deadline
            )
        except DatabaseError as exc:  # the relay publishes it again, under the same id
            telemetry.warning("event published but not marked", event_id=event_id, error=str(exc))

    def _publish_progress(self, event: str, deadline: float) -> None:
        """Publish progress in one try: it may be lost, and a newer one follows."""
        try:
            self._publisher.publish(event, deadline=deadline, tries=1)
        except PublishFailed as exc:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.warning("progress not published", error=str(exc))

    def _not_recorded(
        self, report: Report, exc: DatabaseError, deadline: float, *, reached: bool
    ) -> HttpResponse:
        generation_id = cast("str", report.generation_id)
        telemetry.emit({metrics.DATABASE_FAILURES: 1})
        telemetry.error("report not recorded", generation_id=generation_id, error=str(exc))
        if report.state.is_final:  # progress may be lost
            self._publish_notice(generation_id, deadline, reached=reached)
            self._publisher.alert(
                "Herald could not record a result", generationId=generation_id, error=str(exc)
            )
        if isinstance(exc, DatabaseRejected):
            return _response(500, {"error": "database_rejected", "message": _REJECTED})
        return _call_again("The result could not be recorded. Call again.")

    def _publish_notice(self, generation_id: str, deadline: float, *, reached: bool) -> None:
        limit = min(deadline, time.monotonic() + PUBLISH_SECONDS / 2)
        user_id = self._owner(generation_id, limit) if reached else None
        notice = generation_events.build_notice(
            generation_id, user_id, stage=self._stage, now=datetime.now(UTC)
        )
        try:
            self._publisher.publish(notice, deadline=limit)
        except PublishFailed as failure:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.error("notice not published", error=str(failure))

    def _owner(self, generation_id: str, deadline: float) -> str | None:
        limit = min(deadline, time.monotonic() + OWNER_SECONDS)
        try:
            return self._database.run(
                lambda cursor: generations.owner(cursor, generation_id), deadline=limit
            )
        except DatabaseError:
            return None


def _answer(generation_id: str, recorded: Recorded) -> HttpResponse:
    outcome, event_id = recorded.outcome, recorded.event_id
    telemetry.emit({metrics.CALLBACKS_RECORDED: int(outcome is Outcome.RECORDED)})
    telemetry.info(
        "callback handled", outcome=outcome.value, generation_id=generation_id, event_id=event_id
    )
    body = {"generationId": generation_id, "outcome": outcome.value}
    if event_id is not None:
        body["eventId"] = event_id
    return _response(200, body)


def _report_repairs(generation_id: str, repaired: tuple[str, ...]) -> None:
    if repaired:
        telemetry.emit({metrics.DETAILS_REPAIRED: len(repaired)})
        fields = ", ".join(repaired)
        telemetry.warning("details repaired", generation_id=generation_id, fields=fields)


def _refusal(exc: Refused) -> HttpResponse:
    telemetry.emit({metrics.CALLBACKS_REJECTED: 1})
    telemetry.warning("callback refused", status=exc.status, code=exc.code, field=exc.field)
    answer = {"error": exc.code, "message": str(exc)}
    if exc.field:
        answer["field"] = exc.field
    return _response(exc.status, answer)


def _call_again(message: str) -> HttpResponse:
    answer = {"error": "not_recorded", "message": message}
    return _response(503, answer, {"retry-after": str(RETRY_AFTER_SECONDS)})


def _response(
    status: int, body: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }

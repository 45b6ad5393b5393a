"""The publisher. It receives the provider's webhook, records the result and publishes the event."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import deadline_of, lower_headers
from chalicelib.errors import DatabaseError, DatabaseRejected, PublishFailed, Refused, ServiceError
from chalicelib.recording import generation_events, generations, outbox, results, webhooks
from chalicelib.recording.generations import Outcome, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import HttpEvent, HttpResponse, LambdaContext
    from chalicelib.recording.database import Cursor, Database
    from chalicelib.recording.publishing import Publisher
    from chalicelib.recording.results import GenerationResult

# seconds before the deadline at which the database must stop, to leave time for publishing
PUBLISH_SECONDS = 6.0
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
                return self._process(results.parse(event), None, context)
            request = cast("HttpEvent", event)
            body = webhooks.body_of(request)
            webhook_id = webhooks.verify(lower_headers(request), body, self._secrets())
            return self._process(results.parse(body), webhook_id, context)
        except Refused as exc:
            return _refusal(exc)
        except ServiceError as exc:
            telemetry.error("webhook not verified: its secret could not be read", error=str(exc))
            return _call_again("The webhook could not be verified. Call again.")

    def _process(
        self, result: GenerationResult, webhook_id: str | None, context: LambdaContext
    ) -> HttpResponse:
        deadline = deadline_of(context)
        _report_repairs(result)
        generation_id = result.generation_id
        user_id: str | None = None

        def transaction(cursor: Cursor) -> Recorded:
            nonlocal user_id  # for the notice, should the database fail after it gave the owner
            user_id = generations.owner(cursor, generation_id)
            return generations.record(cursor, result, webhook_id=webhook_id, stage=self._stage)

        try:
            recorded = self._database.run(transaction, deadline=deadline - PUBLISH_SECONDS)
        except DatabaseError as exc:
            return self._not_recorded(generation_id, user_id, exc, deadline)
        if recorded.event is not None:
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

    def _not_recorded(
        self, generation_id: str, user_id: str | None, exc: DatabaseError, deadline: float
    ) -> HttpResponse:
        telemetry.emit({metrics.DATABASE_FAILURES: 1})
        telemetry.error("result not recorded", generation_id=generation_id, error=str(exc))
        notice = generation_events.build_notice(
            generation_id, user_id, stage=self._stage, now=datetime.now(UTC)
        )
        limit = min(deadline, time.monotonic() + PUBLISH_SECONDS / 2)
        try:
            self._publisher.publish(notice, deadline=limit)
        except PublishFailed as failure:
            telemetry.emit({metrics.PUBLISH_FAILURES: 1})
            telemetry.error("notice not published", error=str(failure))
        self._publisher.alert(
            "Herald could not record a result", generationId=generation_id, error=str(exc)
        )
        if isinstance(exc, DatabaseRejected):
            return _response(500, {"error": "database_rejected", "message": _REJECTED})
        return _call_again("The result could not be recorded. Call again.")


def _answer(generation_id: str, recorded: Recorded) -> HttpResponse:
    outcome, event_id = recorded.outcome, recorded.event_id
    telemetry.emit({metrics.CALLBACKS_RECORDED: int(outcome is Outcome.RECORDED)})
    telemetry.info(
        "callback handled", outcome=outcome.value, generation_id=generation_id, event_id=event_id
    )
    body = {"generationId": generation_id, "outcome": outcome.value, "eventId": event_id}
    return _response(200, body)


def _report_repairs(result: GenerationResult) -> None:
    if result.repaired:
        telemetry.emit({metrics.DETAILS_REPAIRED: len(result.repaired)})
        fields = ", ".join(result.repaired)
        telemetry.warning("details repaired", generation_id=result.generation_id, fields=fields)


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

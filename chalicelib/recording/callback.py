"""The publisher: takes the provider's webhook, records the result, publishes the event."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib import settings, telemetry
from chalicelib.aws import secrets
from chalicelib.aws.lambda_events import lower_headers
from chalicelib.errors import DatabaseUnavailable, PublishFailed, Refused, ServiceError
from chalicelib.protocol import events
from chalicelib.recording import generations, webhooks
from chalicelib.recording.database import database
from chalicelib.recording.generations import Recorded
from chalicelib.recording.publishing import publish_or_report, publisher
from chalicelib.recording.webhooks import GenerationResult
from chalicelib.retry import deadline_of

PUBLISH_SECONDS = 6.0  # kept back from the database, so that a failure can still be told
RETRY_AFTER_SECONDS = 10

Response = dict[str, Any]


def handle(event: Mapping[str, Any], context: Any) -> Response:
    """Answer one webhook, or one direct invocation with the webhook's body as the event.

    A direct invocation is authorized by IAM and carries no signature.
    """
    try:
        if "requestContext" not in event:
            return _process(webhooks.parse(event), None, context)
        body = webhooks.body_of(event)
        webhook_id = webhooks.verify(lower_headers(event), body, _webhook_secrets())
        return _process(webhooks.parse(body), webhook_id, context)
    except Refused as exc:
        telemetry.metrics(CallbacksRejected=1)
        telemetry.warning("callback refused", status=exc.status, code=exc.code, field=exc.field)
        answer = {"error": exc.code, "message": str(exc)}
        if exc.field:
            answer["field"] = exc.field
        return _response(exc.status, answer)
    except ServiceError as exc:
        telemetry.error("webhook not verified: its secret could not be read", error=str(exc))
        return _call_again("The webhook could not be verified. Call again.")


def _process(result: GenerationResult, webhook_id: str | None, context: Any) -> Response:
    config = settings.load(settings.Callback)
    deadline = deadline_of(context)
    generation_id = str(result.generation_id)
    user_id: str | None = None

    def transaction(cursor: Any) -> Recorded:
        nonlocal user_id  # for the notice, in case the database fails after having told the owner
        user_id = generations.owner(cursor, generation_id)
        return generations.record(cursor, result, webhook_id=webhook_id, stage=config.stage)

    try:
        recorded = database().run(transaction, deadline=deadline - PUBLISH_SECONDS)
    except DatabaseUnavailable as exc:
        return _not_recorded(generation_id, user_id, exc, deadline)
    if recorded.event is not None:
        _publish(recorded.event_id, recorded.event, deadline)
    telemetry.metrics(CallbacksRecorded=int(recorded.outcome == "recorded"))
    telemetry.info(
        "callback handled",
        outcome=recorded.outcome,
        generation_id=generation_id,
        event_id=recorded.event_id,
    )
    return _response(
        200,
        {
            "generationId": generation_id,
            "outcome": recorded.outcome,
            "eventId": recorded.event_id,
        },
    )


def _publish(event_id: str, event: str, deadline: float) -> None:
    if not publish_or_report(publisher(), event, event_id=event_id, deadline=deadline):
        return
    try:
        database().run(
            lambda cursor: generations.mark_published(cursor, [event_id]), deadline=deadline
        )
    except DatabaseUnavailable as exc:  # the relay publishes it again, under the same id
        telemetry.warning("event published but not marked", event_id=event_id, error=str(exc))


def _not_recorded(
    generation_id: str, user_id: str | None, exc: DatabaseUnavailable, deadline: float
) -> Response:
    config = settings.load(settings.Callback)
    telemetry.metrics(DatabaseFailures=1)
    telemetry.error("result not recorded", generation_id=generation_id, error=str(exc))
    notice = events.build_notice(generation_id, user_id, stage=config.stage, now=datetime.now(UTC))
    try:
        publisher().publish(notice, deadline=min(deadline, time.monotonic() + PUBLISH_SECONDS / 2))
    except PublishFailed as failure:
        telemetry.metrics(PublishFailures=1)
        telemetry.error("notice not published", error=str(failure))
    publisher().alert(
        "Herald could not record a result", generationId=generation_id, error=str(exc)
    )
    return _call_again("The result could not be recorded. Call again.")


def _call_again(message: str) -> Response:
    answer = {"error": "not_recorded", "message": message}
    return _response(503, answer, {"retry-after": str(RETRY_AFTER_SECONDS)})


def _webhook_secrets() -> str:
    return secrets.get(settings.load(settings.Callback).webhook_secret_arn)


def _response(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }

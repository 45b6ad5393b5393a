"""The `callback` function. It answers the providers' webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from chalicelib import metrics, telemetry
from chalicelib.aws import reconcile_events
from chalicelib.aws.invocation import deadline_of
from chalicelib.errors import (
    DatabaseError,
    DatabaseRejected,
    NotRecorded,
    Refused,
    ServiceError,
    SettingError,
)
from chalicelib.providers import fields
from chalicelib.recording import webhooks
from chalicelib.recording.generations import Outcome, Recorded, Source
from chalicelib.recording.webhooks import OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.aws.functions import Function
    from chalicelib.aws.lambda_events import HttpEvent, HttpResponse, LambdaContext
    from chalicelib.providers.report import Report
    from chalicelib.recording.recorder import Recorder
    from chalicelib.recording.webhooks import Received, Webhooks

RETRY_AFTER_SECONDS = 10
_REJECTED = "The database rejected this result. The operators are notified."


class Callback:
    """Receives webhooks, and invocations that IAM authorizes."""

    def __init__(self, webhooks: Webhooks, recorder: Recorder, reconcile: Function) -> None:
        self._webhooks = webhooks
        self._recorder = recorder
        self._reconcile = reconcile

    def handle(
        self, event: HttpEvent | Mapping[str, object], context: LambdaContext
    ) -> HttpResponse:
        """Handle one webhook, an event of SNS, or an invocation with Herald's own payload.

        Raises
        ------
        NotRecorded
            A report of SNS could not be recorded. Lambda then invokes the function again.
        """
        deadline = deadline_of(context)
        try:
            if "requestContext" in event:
                received = self._webhooks.receive(cast("HttpEvent", event))
            else:
                received = webhooks.invoked(event)
            answer = self._record_all(received, deadline)
        except Refused as exc:
            return _refusal(exc)
        except (ServiceError, SettingError) as exc:
            telemetry.error("webhook not verified: its keys could not be read", error=str(exc))
            return _call_again("The webhook could not be verified. Call again.")
        if "Records" in event and answer["statusCode"] >= 500:
            raise NotRecorded(answer["body"])
        return answer

    def _record_all(self, received: Received, deadline: float) -> HttpResponse:
        if not received.reports:
            return _ignored()
        answers = [self._record(received, report, deadline) for report in received.reports]
        return max(answers, key=lambda answer: answer["statusCode"])

    def _record(self, received: Received, report: Report, deadline: float) -> HttpResponse:
        source = _source(received, report)
        _report_repairs(source.generation_id, report.repaired)
        if source.generation_id is None and source.provider_id is None:
            telemetry.emit({metrics.REPORTS_IGNORED: 1})
            return _ignored()
        if report.thin:
            return self._resolve(received.provider, report, deadline)
        may_wait = received.generation_id is None and received.provider != OWN
        try:
            recorded = self._recorder.record(report, source, deadline=deadline, may_wait=may_wait)
        except DatabaseRejected:
            return _response(500, {"error": "database_rejected", "message": _REJECTED})
        except DatabaseError:
            return _call_again("The result could not be recorded. Call again.")
        if recorded.outcome is Outcome.UNMATCHED:
            telemetry.emit({metrics.REPORTS_UNMATCHED: 1})
            if not may_wait:
                return _refusal(_unknown(received))
        return _answer(recorded)

    def _resolve(self, provider: str, report: Report, deadline: float) -> HttpResponse:
        """Have `reconcile` look up what a thin event is about.

        It is asked at once. If that fails, its next run finds the rows, which are due now.
        """
        provider_id = report.provider_id or ""
        try:
            self._recorder.check_now(provider, provider_id, deadline=deadline)
        except DatabaseError:
            return _call_again("The event could not be noted. Call again.")
        try:
            self._reconcile.send(reconcile_events.resolve(provider, provider_id))
        except ServiceError as exc:
            telemetry.warning("thin event left to the schedule", error=str(exc))
        telemetry.info("thin event accepted", provider=provider)
        return _response(200, {"outcome": "accepted"})


def _source(received: Received, report: Report) -> Source:
    return Source(
        None if received.provider == OWN else received.provider,
        received.generation_id or fields.uuid(report.generation_id),
        report.provider_id,
        received.delivery_id,
    )


def _unknown(received: Received) -> Refused:
    if received.generation_id is not None:
        return webhooks.not_found()
    return Refused(
        404, "unknown_generation", "There is no generation with this id.", "generationId"
    )


def _answer(recorded: Recorded) -> HttpResponse:
    outcome = recorded.outcome
    if telemetry.detailed(recorded.generation_id):
        telemetry.debug(
            "callback handled",
            outcome=outcome.value,
            generation_id=recorded.generation_id,
            event_id=recorded.event_id,
        )
    answer: dict[str, str] = {"outcome": outcome}
    if recorded.generation_id is not None:
        answer["generationId"] = recorded.generation_id
    if recorded.event_id is not None:
        answer["eventId"] = recorded.event_id
    return _response(200, answer)


def _ignored() -> HttpResponse:
    return _response(200, {"outcome": "ignored"})


def _report_repairs(generation_id: str | None, repaired: tuple[str, ...]) -> None:
    if repaired:
        telemetry.emit({metrics.DETAILS_REPAIRED: len(repaired)})
        names = ", ".join(repaired)
        telemetry.warning("details repaired", generation_id=generation_id, fields=names)


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

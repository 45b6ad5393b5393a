"""Black Forest Labs: https://docs.bfl.ai

BFL sends one webhook per image. The request to BFL contains the generation's capability as
`webhook_secret`, and BFL signs the webhook with it. Herald can compute the capability, so it stores
nothing. A path that ends in the capability is accepted without a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, in_header, part
from chalicelib.providers.report import ErrorCode, Failure, Kind, Progress, Report, State, result
from chalicelib.providers.verifiers import BodyHmac, SignatureAndCapability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_LIFETIME_SECONDS = 600
_FAILURES = {
    "Error": ErrorCode.FAILED,
    "Failed": ErrorCode.FAILED,
    "Request Moderated": ErrorCode.MODERATED,
    "Content Moderated": ErrorCode.MODERATED,
    "Task not found": ErrorCode.EXPIRED,
}
_MODERATED = ("content_policy_violation", "moderat")  # in the error of a task with the status Error


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read the end of a task."""
    status = str(body.get("status"))
    provider_id = fields.text(body.get("id"), 200)
    if status == "Ready":
        expires_at = fields.later(body.get("timestamp"), _LIFETIME_SECONDS)
        sample = fields.record(body.get("result")).get("sample")
        return [result(provider_id, fields.output(sample, kind=Kind.IMAGE, expires_at=expires_at))]
    if status == "Pending":
        return [Report(State.QUEUED, provider_id)]
    if status not in _FAILURES:
        return []
    error = fields.text(body.get("error"))
    moderated = any(word in (error or "").lower() for word in _MODERATED)
    code = ErrorCode.MODERATED if moderated else _FAILURES[status]
    failure = Failure(code, fields.text(body.get("message")) or error, error or status)
    return [Report(State.FAILED, provider_id, failure=failure)]


def poll(job: Job, api: Api) -> list[Report]:
    """Read the task's result: https://docs.bfl.ai/api-reference/utility/get-result

    "Task not found" can also mean that another region has the task, so it says nothing.
    """
    body = api.get(f"/get_result?id={part(job.provider_id)}")
    if body.get("status") == "Task not found":
        return []
    ended = {"timestamp": fields.record(body.get("result")).get("end_time")}
    return [
        report._replace(progress=_progress(body)) if report.state is State.QUEUED else report
        for report in api.read(interpret, ended | dict(body))
    ]


def _progress(body: Mapping[str, object]) -> Progress | None:
    found = fields.fraction(body.get("progress"))
    return None if found is None else Progress(found)


ADAPTER = Adapter(
    interpret,
    (
        SignatureAndCapability(
            BodyHmac(header="x-bfl-signature", prefix="sha256=", per_generation=True)
        ),
    ),
    # Results live for ten minutes, so the pauses stay short.
    polling=Polling(
        poll,
        "https://api.bfl.ai/v1",
        in_header("x-key"),
        first_seconds=60,
        longest_seconds=240,
    ),
    output_hosts=("*.bfl.ai",),
)

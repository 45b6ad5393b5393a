"""Black Forest Labs: https://docs.bfl.ai

BFL sends one webhook per image. The request to BFL contains the generation's capability as
`webhook_secret`, and BFL signs the webhook with it. Herald can compute the capability, so it stores
nothing. A path that ends in the capability is accepted without a signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Kind, Report, State, result
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


ADAPTER = Adapter(
    interpret,
    (
        SignatureAndCapability(
            BodyHmac(header="x-bfl-signature", prefix="sha256=", per_generation=True)
        ),
    ),
    output_hosts=("*.bfl.ai",),
)

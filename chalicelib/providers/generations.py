"""Herald's own payload, for integrators who run their own generator: docs/providers.md.

It is signed according to Standard Webhooks, and the generation's id is in the body. If a required
field is malformed, the response names it. Malformed optional fields are dropped, and the rest of
the report is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import Refused
from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.details import Details
from chalicelib.providers.report import ErrorCode, Failure, Progress, Report, State, result
from chalicelib.providers.verifiers import StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_STATES = {"PENDING": State.RUNNING, "COMPLETE": State.SUCCEEDED, "ERROR": State.FAILED}
_CODES = {code.value: code for code in ErrorCode}


def check(body: Mapping[str, object], reports: list[Report]) -> None:
    """Raise Refused (422), naming the first malformed field."""
    if "generationId" not in body:
        raise _refused("generationId", "is required")
    if fields.uuid(body.get("generationId")) is None:
        raise _refused("generationId", "must be a UUID")
    if str(body.get("status")) not in _STATES:
        raise _refused("status", "must be PENDING, COMPLETE or ERROR")
    if body.get("status") == "COMPLETE" and not reports[0].outputs:
        raise _refused("imageUrl", "or an output must be an http or https URL for COMPLETE")


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a report."""
    state = _STATES.get(str(body.get("status")))
    own = fields.uuid(body.get("generationId"))
    if state is None or own is None:
        return []
    details = Details(body)
    model = details.name("coreModel")
    if state is State.SUCCEEDED:
        report = result(None, details.outputs(), generation_id=own, model=model)
        details.repair("error")
    elif state is State.RUNNING:
        fraction, step = details.fraction("progress"), details.name("step")
        progress = Progress(fraction, step, details.url("previewUrl"))
        report = Report(state, None, own, progress=progress, model=model)
    else:
        failure = _failure(details)
        ended = State.CANCELED if failure.code is ErrorCode.CANCELED else State.FAILED
        report = Report(ended, None, own, failure=failure, model=model)
        details.repair("imageUrl")
    return [report._replace(repaired=details.repaired) if details.repaired else report]


def _failure(details: Details) -> Failure:
    """Read the error. A code that is not in Herald's list is kept as the provider's code."""
    word, message = details.error()
    code = _CODES.get(word or "")
    return Failure(code or ErrorCode.FAILED, message, None if code else word)


def _refused(field: str, rule: str) -> Refused:
    return Refused(422, "invalid_body", f"{field} {rule}.", field)


ADAPTER = Adapter(interpret, (StandardWebhooks(),), check=check)

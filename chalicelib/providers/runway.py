"""Runway: https://docs.dev.runwayml.com

Runway sends no webhooks. Herald asks for the task until it ends (runwayml 5.24.0,
`types/task_retrieve_response.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part
from chalicelib.providers.report import ErrorCode, Failure, Progress, Report, State, result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_VERSION = ("X-Runway-Version", "2024-11-06")
_WAITING = {"PENDING": State.QUEUED, "THROTTLED": State.QUEUED, "RUNNING": State.RUNNING}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a task."""
    status = str(body.get("status"))
    provider_id = fields.text(body.get("id"), 200)
    if status in _WAITING:
        fraction = fields.fraction(body.get("progress"))
        progress = None if fraction is None else Progress(fraction)
        return [Report(_WAITING[status], provider_id, progress=progress)]
    if status == "SUCCEEDED":
        return [result(provider_id, fields.outputs(body.get("output")))]
    if status == "FAILED":
        return [Report(State.FAILED, provider_id, failure=_failure(body))]
    if status == "CANCELLED":
        return [Report(State.CANCELED, provider_id, failure=Failure(ErrorCode.CANCELED))]
    return []


def _failure(body: Mapping[str, object]) -> Failure:
    """Read a failure. The codes of moderation start with SAFETY, those of bad input with INPUT.

    https://docs.dev.runwayml.com/errors/task-failures
    """
    word = fields.text(body.get("failureCode"), 200)
    kind = (word or "").partition(".")[0]
    code = {"SAFETY": ErrorCode.MODERATED, "INPUT_PREPROCESSING": ErrorCode.INVALID_INPUT}
    moderated = (word or "").startswith("INPUT_PREPROCESSING.SAFETY")
    found = ErrorCode.MODERATED if moderated else code.get(kind, ErrorCode.FAILED)
    return Failure(found, fields.text(body.get("failure")), word)


def poll(job: Job, api: Api) -> list[Report]:
    """Read the task. Runway asks clients to wait five seconds between two requests."""
    return api.read(interpret, api.get(f"/tasks/{part(job.provider_id)}", _VERSION))


def cancel(job: Job, api: Api) -> None:
    """Cancel a task that has not ended (runwayml 5.24.0, `tasks.delete`)."""
    api.ask(api.call(f"/tasks/{part(job.provider_id)}", _VERSION, method="DELETE"))


ADAPTER = Adapter(
    interpret,
    (),
    polling=Polling(
        poll,
        "https://api.dev.runwayml.com/v1",
        bearer,
        first_seconds=10,
        longest_seconds=60,
        cancel=cancel,
        webhooks=False,
    ),
)

"""Replicate: https://replicate.com/docs/topics/webhooks

The body is the prediction itself. There is no event type; `status` says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part
from chalicelib.providers.report import ErrorCode, Failure, Output, Progress, Report, State, result
from chalicelib.providers.verifiers import StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_STATES = {
    "starting": State.QUEUED,
    "processing": State.RUNNING,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
    "aborted": State.CANCELED,
}
_LIFETIME_SECONDS = 3600  # of outputs, by Replicate's default
_MODERATED = ("nsfw", "sensitive", "e005", "safety")  # in error texts of Replicate's models


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a prediction."""
    state = _STATES.get(str(body.get("status")))
    if state is None:
        return []
    provider_id = fields.text(body.get("id"), 200)
    model = fields.text(body.get("model"), 200)
    expires_at = fields.later(body.get("completed_at"), _LIFETIME_SECONDS)
    outputs = fields.outputs(body.get("output"), expires_at=expires_at)
    if state is State.SUCCEEDED:
        return [result(provider_id, outputs, model=model)]
    progress = None if state.is_final else _progress(body, outputs)
    failure = _failure(state, body.get("error"))
    return [Report(state, provider_id, progress=progress, failure=failure, model=model)]


def _progress(body: Mapping[str, object], outputs: tuple[Output, ...]) -> Progress:
    lines = (fields.text(body.get("logs"), 100_000) or "").split("\n")
    step = next((line.strip() for line in reversed(lines) if line.strip()), None)
    return Progress(None, step and step[:200], outputs[-1].url if outputs else None)


def _failure(state: State, error: object) -> Failure | None:
    if state is State.CANCELED:
        return Failure(ErrorCode.CANCELED, fields.text(error))
    if state is not State.FAILED:
        return None
    message = fields.text(error)
    moderated = any(word in (message or "").lower() for word in _MODERATED)
    return Failure(ErrorCode.MODERATED if moderated else ErrorCode.FAILED, message)


def poll(job: Job, api: Api) -> list[Report]:
    """Read the prediction, which has the form of the webhook.

    https://replicate.com/docs/reference/http#predictions.get, at most 3,000 requests a minute
    """
    return api.read(interpret, api.get(f"/predictions/{part(job.provider_id)}"))


def cancel(job: Job, api: Api) -> None:
    """https://replicate.com/docs/reference/http#predictions.cancel"""
    api.post(f"/predictions/{part(job.provider_id)}/cancel")


ADAPTER = Adapter(
    interpret,
    (StandardWebhooks(),),
    output_hosts=("replicate.delivery", "*.replicate.delivery"),
    # Replicate deletes outputs after an hour, and repeats the webhook for a minute.
    polling=Polling(
        poll,
        "https://api.replicate.com/v1",
        bearer,
        first_seconds=120,
        longest_seconds=600,
        per_minute=300,
        cancel=cancel,
    ),
)

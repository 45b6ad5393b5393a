"""Replicate: https://replicate.com/docs/topics/webhooks

The body is the prediction itself. There is no event type: `status` says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Output, Progress, Report, State
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
_MODERATED = ("nsfw", "sensitive", "e005", "safety")  # in error texts of Replicate's models


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a prediction."""
    state = _STATES.get(str(body.get("status")))
    if state is None:
        return []
    outputs = _outputs(body.get("output"))
    return [
        Report(
            state,
            fields.text(body.get("id"), 200),
            outputs=outputs if state is State.SUCCEEDED else (),
            progress=None if state.is_final else _progress(body, outputs),
            failure=_failure(state, body.get("error")),
            model=fields.text(body.get("model"), 200),
        )
    ]


def _outputs(value: object) -> tuple[Output, ...]:
    """Return the files: a model's output is a URL, a list of them, or an object with some."""
    found = list(dict.fromkeys(fields.urls(value)))[: fields.MAX_OUTPUTS]
    return tuple(output for address in found for output in fields.output(address))


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


ADAPTER = Adapter(interpret, (StandardWebhooks(),))

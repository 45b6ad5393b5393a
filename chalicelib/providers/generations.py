"""Herald's own payload, for integrators who run their own generator: docs/providers.md.

It is signed according to Standard Webhooks, and the generation's id is in the body. If a required
field is malformed, the response names it. Malformed optional fields are dropped, and the rest of
the report is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from chalicelib.errors import Refused
from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import (
    ErrorCode,
    Failure,
    Kind,
    Output,
    Progress,
    Report,
    State,
    result,
)
from chalicelib.providers.verifiers import StandardWebhooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery

_STATES = {"PENDING": State.RUNNING, "COMPLETE": State.SUCCEEDED, "ERROR": State.FAILED}
_KINDS = {kind.value: kind for kind in Kind}
_CODES = {code.value: code for code in ErrorCode}


def check(body: Mapping[str, object]) -> None:
    """Raise Refused (422), naming the first malformed field."""
    if "generationId" not in body:
        raise _refused("generationId", "is required")
    if _generation_id(body) is None:
        raise _refused("generationId", "must be a UUID")
    if str(body.get("status")) not in _STATES:
        raise _refused("status", "must be PENDING, COMPLETE or ERROR")
    if body.get("status") == "COMPLETE" and not _outputs(body):
        raise _refused("imageUrl", "or an output must be an http or https URL for COMPLETE")


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a report."""
    state = _STATES.get(str(body.get("status")))
    own = _generation_id(body)
    if state is None or own is None:
        return []
    model = fields.text(body.get("coreModel"), 200)
    if state is State.SUCCEEDED:
        return [result(None, _outputs(body), generation_id=own, model=model)]
    if state is State.RUNNING:
        step, preview = fields.text(body.get("step"), 200), fields.url(body.get("previewUrl"))
        progress = Progress(fields.fraction(body.get("progress")), step, preview)
        return [Report(state, None, own, progress=progress, model=model)]
    failure = _failure(body.get("error"))
    ended = State.CANCELED if failure.code is ErrorCode.CANCELED else State.FAILED
    return [Report(ended, None, own, failure=failure, model=model)]


def _generation_id(body: Mapping[str, object]) -> str | None:
    try:
        return str(UUID(str(body.get("generationId"))))
    except ValueError:
        return None


def _outputs(body: Mapping[str, object]) -> tuple[Output, ...]:
    """Return `imageUrl`, unless `outputs` contains it too, followed by `outputs`."""
    listed = tuple(_listed(body.get("outputs")))
    image = fields.output(
        body.get("imageUrl"),
        kind=Kind.IMAGE,
        width=body.get("imageWidth"),
        height=body.get("imageHeight"),
    )
    known = {output.url for output in listed}
    first = tuple(output for output in image if output.url not in known)
    return (first + listed)[: fields.MAX_OUTPUTS]


def _listed(value: object) -> Iterator[Output]:
    for entry in map(fields.record, fields.items(value)[: fields.MAX_OUTPUTS]):
        yield from fields.output(
            entry.get("url"),
            content_type=entry.get("contentType"),
            kind=_KINDS.get(str(entry.get("kind"))),
            width=entry.get("width"),
            height=entry.get("height"),
            duration_ms=entry.get("durationMs"),
            bytes=entry.get("bytes"),
            expires_at=entry.get("expiresAt"),
            safe=entry.get("safe"),
        )


def _failure(error: object) -> Failure:
    """Read an error: an object with `code` and `message`, or a sentence."""
    word = fields.text(fields.record(error).get("code"), 100)
    message = fields.text(fields.record(error).get("message")) or fields.text(error)
    return Failure(_CODES.get(word or "", ErrorCode.FAILED), message, word)


def _refused(field: str, rule: str) -> Refused:
    return Refused(422, "invalid_body", f"{field} {rule}.", field)


ADAPTER = Adapter(interpret, (StandardWebhooks(),), check=check)

"""Luma Dream Machine: https://docs.lumalabs.ai

Luma sends the generation itself, unsigned, when it starts and when it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.report import ErrorCode, Failure, Kind, Progress, Report, State, result
from chalicelib.providers.verifiers import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_STATES = {
    "queued": State.QUEUED,
    "dreaming": State.RUNNING,
    "completed": State.SUCCEEDED,
    "failed": State.FAILED,
}


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a generation."""
    state = _STATES.get(str(body.get("state")))
    if state is None:
        return []
    provider_id = fields.text(body.get("id"), 200)
    model = fields.text(body.get("model"), 200)
    assets = fields.record(body.get("assets"))
    if state is State.SUCCEEDED:
        video = fields.output(assets.get("video"), kind=Kind.VIDEO)
        image = fields.output(assets.get("image"), kind=Kind.IMAGE)
        return [result(provider_id, video + image, model=model)]
    if state is State.FAILED:
        reason = fields.text(body.get("failure_reason"))
        moderated = "moderat" in (reason or "").lower()
        failure = Failure(ErrorCode.MODERATED if moderated else ErrorCode.FAILED, reason)
        return [Report(state, provider_id, failure=failure, model=model)]
    preview = fields.url(assets.get("progress_video"))
    progress = Progress(preview_url=preview) if preview else None
    return [Report(state, provider_id, progress=progress, model=model)]


ADAPTER = Adapter(interpret, (Capability(),), output_hosts=("storage.cdn-luma.com",))

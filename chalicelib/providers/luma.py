"""Luma Dream Machine: https://docs.lumalabs.ai

Luma sends the generation itself, unsigned, when it starts and when it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part
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


def poll(job: Job, api: Api) -> list[Report]:
    """Read the generation, which has the form of the webhook (lumaai 1.21.0, `generations.get`)."""
    return api.read(interpret, api.get(f"/generations/{part(job.provider_id)}"))


def cancel(job: Job, api: Api) -> None:
    """Delete the generation (lumaai 1.21.0, `generations.delete`)."""
    api.post(f"/generations/{part(job.provider_id)}", "DELETE")


ADAPTER = Adapter(
    interpret,
    (Capability(),),
    # Luma calls three times within less than a second, so webhooks are easily lost.
    output_hosts=("storage.cdn-luma.com",),
    polling=Polling(
        poll,
        "https://api.lumalabs.ai/dream-machine/v1",
        bearer,
        first_seconds=90,
        longest_seconds=300,
        cancel=cancel,
    ),
)

"""Ideogram, asynchronous: https://developer.ideogram.ai/ideogram-api/webhooks

Ideogram sends one webhook with all images of a generation, and no webhook if the generation fails.
An unsafe image has an empty URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, in_header, part
from chalicelib.providers.report import ErrorCode, Failure, Kind, Output, Report, State, result
from chalicelib.providers.verifiers import FourLineEd25519

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a generation's images."""
    if not isinstance(body.get("data"), list):
        return []
    provider_id = fields.text(body.get("generation_id"), 200)
    images = [fields.record(image) for image in fields.items(body["data"])[: fields.MAX_OUTPUTS]]
    outputs = tuple(output for image in images for output in _output(image))
    if not outputs and any(image.get("is_image_safe") is False for image in images):
        failure = Failure(ErrorCode.MODERATED, "No image is safe.")
        return [Report(State.FAILED, provider_id, failure=failure)]
    return [result(provider_id, outputs)]


def _output(image: Mapping[str, object]) -> tuple[Output, ...]:
    width, height = fields.size(image.get("resolution"))
    safe = image.get("is_image_safe")
    return fields.output(image.get("url"), kind=Kind.IMAGE, width=width, height=height, safe=safe)


def poll(job: Job, api: Api) -> list[Report]:
    """Read a generation: https://developer.ideogram.ai/api-reference/api-reference/get-generation

    Only the answer of a completed generation has the form of the webhook. No webhook reports a
    failure.
    """
    body = api.get(f"/generations/{part(job.provider_id)}")
    match body.get("status"):
        case "pending":
            return [Report(State.QUEUED, job.provider_id)]
        case "failed":
            return [Report(State.FAILED, job.provider_id, failure=Failure(ErrorCode.FAILED))]
        case "completed":
            return api.read(interpret, body)
    return []


ADAPTER = Adapter(
    interpret,
    (
        FourLineEd25519(
            request_id="x-ideogram-webhook-generation-id",
            user_id="x-ideogram-webhook-user-id",
            timestamp="x-ideogram-webhook-timestamp",
            signature="x-ideogram-webhook-signature",
        ),
    ),
    jwks_url="https://api.ideogram.ai/v1/.well-known/jwks.json",
    polling=Polling(
        poll,
        "https://api.ideogram.ai/v1",
        in_header("Api-Key"),
        first_seconds=90,
        longest_seconds=600,
    ),
    output_hosts=("ideogram.ai",),
)

"""Leonardo: https://docs.leonardo.ai/docs/guide-to-the-webhook-callback-feature

Leonardo sends one webhook for each generation of an API key, all to one URL. Herald finds the
generation by Leonardo's id. The body contains the callback key, so it is never stored or passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, part
from chalicelib.providers.report import ErrorCode, Failure, Output, Report, State, result
from chalicelib.providers.verifiers import Bearer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.providers.delivery import Delivery


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read the end of an image generation, the only documented type."""
    generation = fields.record(fields.record(body.get("data")).get("object"))
    status = generation.get("status")
    if body.get("type") != "image_generation.complete" or status not in ("COMPLETE", "FAILED"):
        return []
    provider_id = fields.text(generation.get("id"), 200)
    model = fields.text(generation.get("coreModel"), 200)
    if status == "COMPLETE":
        return [result(provider_id, tuple(_outputs(generation)), model=model)]
    return [Report(State.FAILED, provider_id, failure=Failure(ErrorCode.FAILED), model=model)]


def _outputs(generation: Mapping[str, object]) -> Iterator[Output]:
    images = fields.items(generation.get("images"))[: fields.MAX_OUTPUTS]
    for image in map(fields.record, images):
        nsfw = image.get("nsfw")
        yield from fields.output(
            image.get("url"),
            width=generation.get("imageWidth"),
            height=generation.get("imageHeight"),
            safe=not nsfw if isinstance(nsfw, bool) else None,
        )


def poll(job: Job, api: Api) -> list[Report]:
    """Read a generation: https://docs.leonardo.ai/reference/getgenerationbyid

    It has the fields of the webhook, except for the name of the list of images.
    """
    body = api.get(f"/generations/{part(job.provider_id)}")
    found = fields.record(body.get("generations_by_pk"))
    if found.get("status") == "PENDING":
        return [Report(State.RUNNING, job.provider_id)]
    generation = {**found, "images": found.get("generated_images")}
    return api.read(
        interpret, {"type": "image_generation.complete", "data": {"object": generation}}
    )


ADAPTER = Adapter(
    interpret,
    (Bearer(),),
    output_hosts=("cdn.leonardo.ai",),
    polling=Polling(
        poll,
        "https://cloud.leonardo.ai/api/rest/v1",
        bearer,
        first_seconds=120,
        longest_seconds=900,
    ),
)

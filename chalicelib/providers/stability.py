"""Stability AI, asynchronous: https://platform.stability.ai/docs/api-reference

Stability sends no webhooks. Herald asks for the result until it is there. The result is the file
itself in base64, so Herald needs its bucket to deliver it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.polling import Api, Job, Polling, bearer, decoded, part, parts
from chalicelib.providers.report import ErrorCode, Failure, File, Kind, Report, State, result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.providers.delivery import Delivery

_JSON = ("Accept", "application/json")
_PLACES = (("result", Kind.IMAGE), ("image", Kind.IMAGE), ("video", Kind.VIDEO))


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a result; the id is not in it."""
    if body.get("status") == "in-progress":
        return [Report(State.RUNNING, None)]
    reason = body.get("finish_reason")
    if reason == "CONTENT_FILTERED":
        failure = Failure(ErrorCode.MODERATED, "The result was filtered.", "CONTENT_FILTERED")
        return [Report(State.FAILED, None, failure=failure)]
    if reason != "SUCCESS":
        return []
    found = ((decoded(body.get(name)), kind) for name, kind in _PLACES)
    files = tuple(File(kind, content) for content, kind in found if content)
    return [result(None, (), files=files)]


def poll(job: Job, api: Api) -> list[Report]:
    """Read the result: 202 while it is in progress. It is kept for 24 hours.

    The option `path` names another address, such as `image-to-video/result`.
    """
    path = parts(str(api.options.get("path", "results")).strip("/"))
    body = api.get(f"/{path}/{part(job.provider_id)}", _JSON)
    return [
        report._replace(provider_id=fields.text(job.provider_id, 200))
        for report in api.read(interpret, body)
    ]


ADAPTER = Adapter(
    interpret,
    (),
    # Stability asks clients to wait ten seconds between two requests for one result.
    polling=Polling(
        poll,
        "https://api.stability.ai/v2beta",
        bearer,
        first_seconds=15,
        longest_seconds=120,
        webhooks=False,
    ),
)

"""The `link` function. It answers the stable links of outputs with a redirect.

A link leads to the copy once there is one, and until then to the provider. The redirect is never
cached: the presigned URL behind it is valid for minutes.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import lower_headers
from chalicelib.errors import ServiceError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import HttpEvent, HttpResponse
    from chalicelib.aws.s3 import Bucket
    from chalicelib.store.links import Links
    from chalicelib.store.output_hosts import OutputHosts
    from chalicelib.store.outputs import Copy, Kept, Outputs

# A presigned URL also dies with the role's credentials, which may be nearly used up.
URL_SECONDS = 15 * 60
RETRY_AFTER_SECONDS = 5
_GENERATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]?", re.ASCII)
_HEADERS = {
    "cache-control": "no-store",
    "access-control-allow-origin": "*",  # the signature is the permission, not a cookie
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Link:
    """Answers links."""

    def __init__(
        self,
        links: Links,
        outputs: Outputs,
        hosts: OutputHosts,
        bucket: Bucket,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._links = links
        self._outputs = outputs
        self._hosts = hosts
        self._bucket = bucket
        self._clock = clock

    def handle(self, event: HttpEvent) -> HttpResponse:
        """Answer one link: 302, 404 for one that was not made here, 410 for one that has expired.

        With `Accept: application/json`, the answer is 200 with the output's data and its URL.
        """
        path = event.get("pathParameters") or {}
        generation_id, index = path.get("generation", ""), path.get("index", "")
        if not _GENERATION.fullmatch(generation_id) or not _INDEX.fullmatch(index):
            return _not_found()
        number = int(index)
        try:
            if not self._links.is_valid(generation_id, number, path.get("signature", "")):
                return _not_found()
            kept = self._outputs.read(generation_id)
            if kept is None:
                return _gone()
            if number not in kept.sources and number not in kept.copies:
                return _not_found()
            return self._answer(event, kept, number)
        except (ServiceError, SettingError) as exc:
            telemetry.error("link not answered", generation_id=generation_id, error=str(exc))
            return _response(
                503,
                {"error": "unavailable", "message": "Herald could not check the link. Try again."},
                {"retry-after": str(RETRY_AFTER_SECONDS)},
            )

    def _answer(self, event: HttpEvent, kept: Kept, number: int) -> HttpResponse:
        copy = kept.copies.get(number)
        if copy is not None:
            left = max(int(kept.expires_at - self._clock()), 1)
            url: str | None = self._bucket.presigned(copy.key, min(URL_SECONDS, left))
        else:
            url = self._source(kept, number)
        if url is None:
            return _gone()
        if "application/json" in lower_headers(event).get("accept", ""):
            return _response(200, {"url": url, "kept": copy is not None, **_described(copy)})
        return {"statusCode": 302, "headers": {**_HEADERS, "location": url}, "body": ""}

    def _source(self, kept: Kept, number: int) -> str | None:
        """Return the provider's address while it lives, if its host is on the list now."""
        source = kept.sources[number]
        if source.expires_at and source.expires_at <= self._clock():
            return None
        allowed = self._hosts.of(kept.provider).read(source.url)
        return source.url if allowed else None


def _described(copy: Copy | None) -> Mapping[str, object]:
    if copy is None:
        return {"contentType": None, "bytes": None, "width": None, "height": None}
    return {
        "contentType": copy.content_type,
        "bytes": copy.bytes,
        "width": copy.width or None,
        "height": copy.height or None,
    }


def _not_found() -> HttpResponse:
    message = "This address leads to no output."
    return _response(404, {"error": "not_found", "message": message})


def _gone() -> HttpResponse:
    telemetry.emit({metrics.LINKS_GONE: 1})
    message = "This output has expired: it is no longer stored here or at the provider."
    return _response(410, {"error": "gone", "message": message})


def _response(
    status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return {
        "statusCode": status,
        "headers": {**_HEADERS, "content-type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }

"""Reports of your own application to Herald, as the provider `generations`."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid
from typing import TYPE_CHECKING
from urllib import request
from urllib.error import HTTPError

from herald_client.errors import HeraldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from herald_client.server.callbacks import Callbacks

_TRIES = 3
_PAUSE_SECONDS = 0.3  # doubled with each try
_TIMEOUT_SECONDS = 10.0


class NotReported(HeraldError):
    """Herald did not accept a report."""


def report_failure(
    callbacks: Callbacks, generation_id: uuid.UUID | str, *, code: str, message: str
) -> None:
    """End a generation as ERROR, so that all pages of its user are notified.

    If the generation already has its result, nothing changes. The request is tried three times and
    blocks for half a minute at most.

    Parameters
    ----------
    code
        `generation_failed`, `moderated`, `timeout`, `canceled`, `invalid_input`,
        `out_of_capacity`, `expired` or `incomplete`.
    message
        The text of the event, which users can see.

    Raises
    ------
    NotReported
        Herald refused the report, or could not be reached.
    """
    report = {"generationId": str(generation_id), "status": "ERROR"}
    body = json.dumps({**report, "error": {"code": code, "message": message}}).encode()
    delivery_id = f"msg_{uuid.uuid4().hex}"
    for attempt in range(_TRIES):
        try:
            _post(callbacks, delivery_id, body)
            return
        except HTTPError as exc:
            exc.close()
            if exc.code < 500 and exc.code != 429:
                raise NotReported(f"Herald refused the report with HTTP status {exc.code}") from exc
            error: OSError = exc
        except OSError as exc:
            error = exc
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    raise NotReported(f"Herald could not be reached: {error}") from error


def _post(callbacks: Callbacks, delivery_id: str, body: bytes) -> None:
    headers = {
        "content-type": "application/json",
        **_signature(signing_key(callbacks), delivery_id, int(time.time()), body),
    }
    url = f"{callbacks.base_url.rstrip('/')}/generations"
    # The scheme is http or https: Callbacks checks it.
    sending = request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    with request.urlopen(sending, timeout=_TIMEOUT_SECONDS):  # noqa: S310
        pass


def signing_key(callbacks: Callbacks) -> bytes:
    """Return the key in the webhook secret; raises ValueError if it is missing or malformed."""
    if not callbacks.webhook_secret:
        raise ValueError("webhook_secret: is needed to report failures to Herald")
    try:
        return base64.b64decode(callbacks.webhook_secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("webhook_secret: must be whsec_ followed by base64") from None


def _signature(key: bytes, delivery_id: str, now: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks."""
    digest = hmac.digest(key, b".".join((delivery_id.encode(), str(now).encode(), body)), "sha256")
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }

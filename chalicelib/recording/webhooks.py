"""Checks the provider's webhook, the size and encoding of its body and its signature, and reads it.

Signatures follow the Standard Webhooks specification (https://www.standardwebhooks.com). The
signature covers the raw bytes of the body, and it is checked before the body is parsed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING

from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.errors import Refused
from chalicelib.providers import generations
from chalicelib.providers.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.aws.lambda_events import HttpEvent
    from chalicelib.providers.report import Report

MAX_BODY_BYTES = 32_768
MAX_ID_CHARACTERS = 256
MAX_SIGNATURES = 20

# The header is a list of signatures. Entries of another scheme and malformed entries are ignored.
_SIGNATURES = re.compile(r"(?<![^\s,])v1,([A-Za-z0-9+/]+={0,2})(?![^\s,])")


def body_of(event: HttpEvent) -> bytes:
    """Return the raw body of an HTTP API event.

    Raises
    ------
    Refused
        413 if the body exceeds MAX_BODY_BYTES, 400 if it is not valid base64.
    """
    body = event.get("body") or ""
    try:
        raw = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise Refused(400, "bad_encoding", "The body could not be decoded.") from exc
    if len(raw) > MAX_BODY_BYTES:
        raise Refused(413, "body_too_large", f"The body is over {MAX_BODY_BYTES} bytes.")
    return raw


def verify(headers: Mapping[str, str], body: bytes, secrets: str) -> str:
    """Check that the signature is valid for one of the active secrets; return the webhook-id.

    Parameters
    ----------
    headers
        The request's headers, with lower-case names.
    secrets
        One or more secrets of the form `whsec_…`, separated by white space. There are two while a
        secret is being rotated.

    Raises
    ------
    Refused
        401 if a header is missing, if the timestamp differs from the current time by more than five
        minutes, or if no signature is valid.
    """
    webhook_id = headers.get("webhook-id", "")
    signatures = _SIGNATURES.findall(headers.get("webhook-signature", ""))[:MAX_SIGNATURES]
    if len(webhook_id) <= MAX_ID_CHARACTERS and "\0" not in webhook_id:
        for secret in secrets.split():
            webhook = Webhook(secret)
            if any(_valid(webhook, headers, body, signature) for signature in signatures):
                return webhook_id
    raise Refused(
        401,
        "bad_signature",
        "The headers webhook-id, webhook-timestamp and webhook-signature are not a valid signature "
        "of this body (Standard Webhooks, five minutes' tolerance).",
    )


def report_of(body: bytes | Mapping[str, object]) -> Report:
    """Read a report of Herald's own payload, which is raw JSON or an already parsed object.

    Its `generation_id` is never None.

    Raises
    ------
    Refused
        422; the error names the first invalid field.
    """
    found = _decoded(body) if isinstance(body, bytes) else body
    generations.check(found)
    raw = body if isinstance(body, bytes) else b""
    [report] = generations.interpret(found, Delivery("generations", None, None, {}, raw))
    return report


def _decoded(body: bytes) -> Mapping[str, object]:
    try:
        report = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _not_read("is not JSON") from exc
    if not isinstance(report, dict):
        raise _not_read("is not a JSON object")
    return report


def _not_read(rule: str) -> Refused:
    return Refused(422, "invalid_body", f"body {rule}.", "body")


def _valid(webhook: Webhook, headers: Mapping[str, str], body: bytes, signature: str) -> bool:
    one = {**headers, "webhook-signature": f"v1,{signature}"}
    try:
        webhook.verify(body, one, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: bytes that cannot be decoded
        return False
    return True

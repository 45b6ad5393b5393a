"""Signed webhooks as API Gateway passes them on, and the front door that reads them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from chalicelib.recording.public_keys import PublicKeys
from chalicelib.recording.webhooks import Webhooks
from tests.unit.providers import samples
from tooling.providers import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.aws.lambda_events import HttpEvent
    from chalicelib.recording.webhooks import Received

OWN_SECRET = samples.SECRET


def entry(provider: str) -> dict[str, object]:
    """A provider's entry in the secret, for the signing keys of the samples."""
    return keys.entry(samples.SIGNING_KEYS[provider])


def secret(*providers: str, **entries: object) -> str:
    """The value of the providers' secret."""
    return json.dumps({name: entry(name) for name in providers} | entries)


def event(
    body: bytes, headers: Mapping[str, str], path: Mapping[str, str] | None = None
) -> HttpEvent:
    """An event of the HTTP API; the body is base64, as API Gateway sends a binary one."""
    found = {
        "requestContext": {},
        "headers": dict(headers),
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
        **({"pathParameters": dict(path)} if path else {}),
    }
    return cast("HttpEvent", found)


def standard_headers(
    body: bytes, *, key: str = OWN_SECRET, webhook_id: str = "msg_1", age: float = 0
) -> dict[str, str]:
    """The headers of Standard Webhooks for any bytes, sent `age` seconds ago."""
    sent = str(int(time.time() - age))
    text = f"{webhook_id}.{sent}.".encode() + body
    digest = hmac.digest(base64.b64decode(key.removeprefix("whsec_")), text, sha256)
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": sent, "webhook-signature": signature}


def signed(provider: str, body: bytes, *, age: float = 0, **own: str) -> HttpEvent:
    """A webhook to the path of one generation, signed `age` seconds ago."""
    delivery = samples.delivery(provider, body, now=time.time() - age, **own)
    path = {"provider": provider, "generation": samples.GENERATION}
    if delivery.token is not None:
        path["token"] = delivery.token
    return event(body, delivery.headers, path)


def _no_fetch(url: str) -> bytes:
    raise AssertionError(f"{url} must not be fetched")


def door(
    providers: str = "", own: str = OWN_SECRET, fetch: Callable[[str], bytes] = _no_fetch
) -> Webhooks:
    """The front door."""
    return Webhooks(lambda: providers, lambda: own, PublicKeys(fetch))


def receive(found: Any, providers: str = "", **options: Any) -> Received:
    """Send an event through the front door."""
    return door(providers, **options).receive(found)

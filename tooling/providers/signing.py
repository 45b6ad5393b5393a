"""Signs webhooks as providers do, with other libraries instead of Herald's code.

`sign(provider, body, keys, …)` takes keys as in the file that HERALD_PROVIDER_KEYS names:
`{"secret": …}`, `{"private_key": <PEM>, "user_id": …}` or `{"token_key": …}`. For the provider
`hmac`, the keys also contain the options `header`, `prefix` and `encoding`.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from standardwebhooks import Webhook

from tooling.providers.keys import private_key

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signed(NamedTuple):
    """The headers of a signed webhook, and the token for its path if the provider uses one."""

    headers: dict[str, str]
    token: str | None = None

    def url(self, callbacks: str, provider: str, generation: str | None) -> str:
        """Return the address below `callbacks`, of one generation or of the whole account."""
        parts = (callbacks, provider, generation, self.token if generation else None)
        return "/".join(part for part in parts if part is not None)


def sign(
    provider: str,
    body: bytes,
    keys: Mapping[str, str],
    *,
    generation_id: str,
    delivery_id: str,
    now: float,
    name: str | None = None,
) -> Signed:
    """Sign a body; the time is in epoch seconds. `name` is the provider's name in the path if it
    is not that of its adapter.
    """
    unsigned = provider in _UNSIGNED_WITHOUT_SECRET and "secret" not in keys
    signer = capability if unsigned else _SIGNERS[provider]
    named = name if name is not None and signer in (bfl, capability) else provider
    return signer(body, keys, named, generation_id, delivery_id, int(now))


def standard_webhooks(
    body: bytes, keys: Mapping[str, str], _provider: str, _generation: str, delivery: str, now: int
) -> Signed:
    """Return the headers of Standard Webhooks, made by its own library."""
    moment = datetime.fromtimestamp(now, UTC)
    signature = Webhook(keys["secret"]).sign(delivery, moment, body.decode())
    return _three_headers(delivery, now, signature)


def four_lines(
    body: bytes, keys: Mapping[str, str], provider: str, _generation: str, delivery: str, now: int
) -> Signed:
    """Return the four headers of fal and Ideogram, signed with `cryptography`."""
    key = private_key(keys["private_key"])
    lines = (delivery, keys["user_id"], str(now), sha256(body).hexdigest())
    return Signed(
        {
            f"x-{provider}-webhook-{_IDS[provider]}": delivery,
            f"x-{provider}-webhook-user-id": keys["user_id"],
            f"x-{provider}-webhook-timestamp": str(now),
            f"x-{provider}-webhook-signature": key.sign("\n".join(lines).encode()).hex(),
        }
    )


def capability(
    _body: bytes, keys: Mapping[str, str], provider: str, generation: str, _delivery: str, _now: int
) -> Signed:
    """Return the token of a provider that signs nothing."""
    message = f"{provider}/{generation}".encode()
    digest = hmac.new(keys["token_key"].encode(), message, sha256).digest()
    return Signed({}, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def bfl(
    body: bytes, keys: Mapping[str, str], provider: str, generation: str, delivery: str, now: int
) -> Signed:
    """Return BFL's header; the request's `webhook_secret` was the capability."""
    secret = capability(body, keys, provider, generation, delivery, now).token or ""
    digest = hmac.new(secret.encode(), body, sha256).hexdigest()
    return Signed({"x-bfl-signature": f"sha256={digest}"})


def wavespeed(
    body: bytes, keys: Mapping[str, str], _provider: str, _generation: str, delivery: str, now: int
) -> Signed:
    """Return WaveSpeed's headers, according to its documentation."""
    key = keys["secret"].removeprefix("whsec_").encode()
    signed = b".".join((delivery.encode(), str(now).encode(), body))
    return _three_headers(delivery, now, f"v3,{hmac.new(key, signed, sha256).hexdigest()}")


def _three_headers(delivery: str, now: int, signature: str) -> Signed:
    return Signed(
        {
            "webhook-id": delivery,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }
    )


def bearer(
    _body: bytes,
    keys: Mapping[str, str],
    _provider: str,
    _generation: str,
    _delivery: str,
    _now: int,
) -> Signed:
    """Return the header with Leonardo's fixed token."""
    return Signed({"authorization": f"Bearer {keys['secret']}"})


def configured_hmac(
    body: bytes,
    keys: Mapping[str, str],
    _provider: str,
    _generation: str,
    _delivery: str,
    _now: int,
) -> Signed:
    """Return the header that the options of the provider `hmac` describe."""
    digest = hmac.new(keys["secret"].encode(), body, sha256).digest()
    in_base64 = keys.get("encoding") == "base64"
    encoded = base64.b64encode(digest).decode() if in_base64 else digest.hex()
    return Signed({keys["header"].lower(): keys.get("prefix", "") + encoded})


_UNSIGNED_WITHOUT_SECRET = {"kling", "wavespeed"}
_IDS = {"fal": "request-id", "ideogram": "generation-id"}
_SIGNERS = {
    "bfl": bfl,
    "comfydeploy": capability,
    "fal": four_lines,
    "gemini": standard_webhooks,
    "generations": standard_webhooks,
    "hmac": configured_hmac,
    "ideogram": four_lines,
    "kling": standard_webhooks,
    "leonardo": bearer,
    "luma": capability,
    "openai": standard_webhooks,
    "replicate": standard_webhooks,
    "runpod": capability,
    "wavespeed": wavespeed,
}

"""WaveSpeed, experimental: https://wavespeed.ai/docs/verify-webhooks

WaveSpeed sends one webhook when a task ends. The signature resembles Standard Webhooks, but its
version is `v3`, it is in hexadecimal, and the key is the text after `whsec_`, not decoded. The
scheme is unconfirmed: the documentation's example does not verify. Without a secret, Herald
requires the capability in the path.
"""

from __future__ import annotations

import hmac
from itertools import zip_longest
from typing import TYPE_CHECKING

from chalicelib.providers import fields
from chalicelib.providers.adapter import Adapter
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof, Reason
from chalicelib.providers.report import ErrorCode, Failure, Output, Report, State, result
from chalicelib.providers.verifiers import Capability, header, hmac_sha256, standard_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNNING = {"created": State.QUEUED, "processing": State.RUNNING}
_MODERATED = ("nsfw", "sensitive", "moderat", "content policy")  # in error texts


class WaveSpeedSignature:
    """HMAC-SHA256 of the text that Standard Webhooks signs, as `v3,<hex>`."""

    def applies(self, keys: Keys) -> bool:
        """Whether a signing secret is configured."""
        return bool(keys.secrets)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check `webhook-signature` against each active secret."""
        delivery_id, signed = standard_text(delivery, now)
        given = header(delivery, "webhook-signature").strip().encode(errors="replace")
        for secret in keys.secrets:
            digest = hmac_sha256(secret.removeprefix("whsec_").encode(), signed)
            if hmac.compare_digest(f"v3,{digest.hex()}".encode(), given):
                return Proof(delivery_id)
        raise NotAuthentic(Reason.SIGNATURE)


def interpret(body: Mapping[str, object], delivery: Delivery) -> list[Report]:
    """Read a task."""
    status = str(body.get("status"))
    provider_id = fields.text(body.get("id"), 200)
    model = fields.text(body.get("model"), 200)
    if status == "completed":
        return [result(provider_id, _outputs(body), model=model)]
    if status in _RUNNING:
        return [Report(_RUNNING[status], provider_id, model=model)]
    if status != "failed":
        return []
    message = fields.text(body.get("error"))
    moderated = any(word in (message or "").lower() for word in _MODERATED)
    failure = Failure(ErrorCode.MODERATED if moderated else ErrorCode.FAILED, message)
    return [Report(State.FAILED, provider_id, failure=failure, model=model)]


def _outputs(body: Mapping[str, object]) -> tuple[Output, ...]:
    """Return the files. `has_nsfw_contents` says for each file whether it is unsafe."""
    files = fields.items(body.get("outputs"))[: fields.MAX_OUTPUTS]
    unsafe = fields.items(body.get("has_nsfw_contents"))[: len(files)]
    return tuple(
        output
        for address, nsfw in zip_longest(files, unsafe)
        for output in fields.output(address, safe=not nsfw if isinstance(nsfw, bool) else None)
    )


ADAPTER = Adapter(
    interpret, (WaveSpeedSignature(), Capability()), output_hosts=("d1q70pf5vjeyhc.cloudfront.net",)
)

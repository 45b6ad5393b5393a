"""The recorded payloads of every provider, and keys to sign them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalicelib.providers import registry
from chalicelib.providers.delivery import Delivery, Keys
from tooling.providers import signing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.providers.report import Report

NOW = 1_795_600_000.0
GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
TOKEN_KEY = "a key of capabilities"
TRUST = {"V", "V3", "T", "I", "M"}  # as docs/providers.md explains them


class Fixture(NamedTuple):
    """A provider's payload, the source of its shape, and the reports that must be read from it.

    `refused` is the field that a 422 response names. Only Herald's own payload can get one.
    """

    provider: str
    name: str
    source: str
    trust: str
    body: dict[str, object]
    reports: list[dict[str, Any]]
    options: Mapping[str, object] = MappingProxyType({})
    refused: str | None = None

    @property
    def event(self) -> str:
        """The kind of event, a key of EVENTS: the part of the name before the colon."""
        return self.name.partition(":")[0]


def _fixtures() -> list[Fixture]:
    found = []
    for name in sorted(registry.NAMES):
        path = Path(__file__).parent / "fixtures" / f"{name}.json"
        found += [Fixture(name, **entry) for entry in json.loads(path.read_text())]
    return found


FIXTURES = _fixtures()
EVENTS: dict[str, Callable[[list[dict[str, Any]]], bool]] = {
    "success": lambda reports: all(report["state"] == "succeeded" for report in reports),
    "thin": lambda reports: all(report["thin"] for report in reports),
    "several outputs": lambda reports: len(reports[0]["urls"]) > 1,
    "failure": lambda reports: reports[0]["state"] == "failed",
    "moderation": lambda reports: reports[0]["failure"] == "moderated",
    "canceled": lambda reports: reports[0]["state"] == "canceled",
    "time-out": lambda reports: reports[0]["failure"] == "timeout",
    "expired": lambda reports: reports[0]["failure"] == "expired",
    "incomplete": lambda reports: reports[0]["failure"] == "incomplete",
    "intermediate": lambda reports: reports[0]["state"] in ("queued", "running"),
    "unknown": lambda reports: not reports,
}
# The events that each provider documents. Every provider has the three events in COMMON, except for
# those whose webhooks contain only an id.
COMMON = {"success", "incomplete", "unknown"}
THIN = {"thin", "unknown"}
SEVERAL = {"several outputs"}
REQUIRED = {
    "bfl": COMMON | {"failure", "moderation"},
    "comfydeploy": COMMON | SEVERAL | {"failure", "canceled", "time-out", "intermediate"},
    "fal": COMMON | SEVERAL | {"failure", "moderation", "time-out"},
    "gemini": THIN,
    "generations": COMMON | SEVERAL | {"failure", "moderation", "canceled", "intermediate"},
    "hmac": COMMON | SEVERAL | {"failure", "moderation", "canceled", "time-out", "intermediate"},
    "ideogram": COMMON | SEVERAL | {"moderation"},
    "kling": COMMON | SEVERAL | {"failure", "moderation", "intermediate"},
    "leonardo": COMMON | SEVERAL | {"failure"},
    "luma": COMMON | SEVERAL | {"failure", "moderation", "intermediate"},
    "openai": THIN,
    "replicate": COMMON | SEVERAL | {"failure", "moderation", "canceled", "intermediate"},
    "runpod": COMMON | SEVERAL | {"failure", "canceled", "time-out"},
    "runway": COMMON | SEVERAL | {"failure", "moderation", "canceled", "intermediate"},
    "sagemaker": COMMON | {"failure", "expired"},
    "stability": {"success", "moderation", "intermediate", "unknown", "incomplete"},
    "wavespeed": COMMON | SEVERAL | {"failure", "moderation", "intermediate"},
}
_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
JWKS = {
    "keys": [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},  # of another type, so it is skipped
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(_PRIVATE.public_key().public_bytes_raw())
            .rstrip(b"=")
            .decode(),
        },
    ]
}
HMAC_OPTIONS = {"header": "X-Acme-Signature", "prefix": "sha256="}
SIGNING_KEYS: dict[str, dict[str, str]] = {
    "bfl": {"token_key": TOKEN_KEY},
    "comfydeploy": {"token_key": TOKEN_KEY},
    "fal": {"private_key": _PEM, "user_id": "user_1"},
    "gemini": {"secret": SECRET},
    "generations": {"secret": SECRET},
    "hmac": {"secret": "a shared secret", **HMAC_OPTIONS},
    "ideogram": {"private_key": _PEM, "user_id": "user_1"},
    "kling": {"secret": SECRET},
    "leonardo": {"secret": "a callback key"},
    "luma": {"token_key": TOKEN_KEY},
    "openai": {"secret": SECRET},
    "replicate": {"secret": SECRET},
    "runpod": {"token_key": TOKEN_KEY},
    "wavespeed": {"secret": "whsec_0123456789abcdef"},
}


def seen(report: Report) -> dict[str, Any]:
    """Return a report in the form of the fixtures, without fields that have no value."""
    progress, failure = report.progress, report.failure
    found = {
        "state": report.state.value,
        "provider_id": report.provider_id,
        "generation_id": report.generation_id,
        "model": report.model,
        "urls": [output.url for output in report.outputs],
        "kinds": [output.kind.value for output in report.outputs]
        + [file.kind.value for file in report.files],
        "contents": [len(file.content) for file in report.files if file.content],
        "calls": [file.call.url for file in report.files if file.call],
        "thin": report.thin or None,
        "sizes": [
            [output.width, output.height] for output in report.outputs if output.width is not None
        ],
        "safe": [output.safe for output in report.outputs if output.safe is not None],
        "durations": [o.duration_ms for o in report.outputs if o.duration_ms is not None],
        "expires": [output.expires_at for output in report.outputs if output.expires_at],
        "failure": failure and failure.code.value,
        "provider_code": failure and failure.provider_code,
        "message": failure and failure.message,
        "fraction": progress and progress.fraction,
        "step": progress and progress.step,
        "preview": progress and progress.preview_url,
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def assert_read(found: list[Report], wanted: list[dict[str, Any]]) -> None:
    """Compare reports with a fixture's. Failure details count only if the fixture has them."""
    for report, expected in zip(map(seen, found), wanted, strict=True):
        ignored = {"message", "provider_code"} - set(expected)
        assert {name: v for name, v in report.items() if name not in ignored} == expected


def keys(provider: str) -> Keys:
    """Herald's keys for a provider, which match the provider's signing keys."""
    own = SIGNING_KEYS[provider]
    return Keys(
        secrets=(own["secret"],) if "secret" in own else (),
        token_keys=(own["token_key"],) if "token_key" in own else (),
        account=own.get("user_id"),
        jwks=JWKS if "private_key" in own else None,
    )


def delivery(
    provider: str, body: bytes, *, now: float = NOW, delivery_id: str = "delivery-1", **own: str
) -> Delivery:
    """Return a signed delivery to the path of one generation."""
    signed = signing.sign(
        provider,
        body,
        SIGNING_KEYS[provider] | own,
        generation_id=GENERATION,
        delivery_id=delivery_id,
        now=now,
    )
    options = HMAC_OPTIONS if provider == "hmac" else {}
    return Delivery(provider, GENERATION, signed.token, signed.headers, body, options)

"""The addresses and proofs of each provider's webhooks, from its adapter's verifiers."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

from chalicelib.providers import registry
from chalicelib.providers.hmac import ConfiguredHmac
from chalicelib.providers.verifiers import (
    Bearer,
    BodyHmac,
    Capability,
    FourLineEd25519,
    SignatureAndCapability,
    StandardWebhooks,
)
from chalicelib.providers.wavespeed import WaveSpeedSignature
from chalicelib.recording.webhooks import OWN
from tooling import ROOT

if TYPE_CHECKING:
    from chalicelib.providers.adapter import Adapter, Verifier

Address = Literal["account", "generation", "capability"]

# As in infra/modules/callback_api; a test compares them.
PATHS: dict[Address, str] = {
    "account": "/callbacks/{provider}",
    "generation": "/callbacks/{provider}/{generation}",
    "capability": "/callbacks/{provider}/{generation}/{token}",
}
BEARER = "authorization"
_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Door(NamedTuple):
    """One address of a provider, and the headers that prove a webhook to it."""

    address: Address
    headers: tuple[str, ...]


def doors(name: str) -> list[Door]:
    """Return the addresses of a provider; SageMaker has none, because SNS invokes `callback`."""
    made = [door for verifier in adapter(name).verifiers for door in _doors(verifier)]
    if name == OWN:  # the generation's id is in the body
        return [door for door in made if door.address == "account"]
    return sorted(made, key=lambda door: list(PATHS).index(door.address))


def title(name: str) -> str:
    """Return a provider's name for people, the heading of its page in docs/providers/."""
    page = (ROOT / "docs" / "providers" / f"{name}.md").read_text()
    return page.partition("\n")[0].removeprefix("# ")


def documentation(name: str) -> str | None:
    """Return the URL of the provider's own documentation, in its module's docstring."""
    text = import_module(f"chalicelib.providers.{name}").__doc__ or ""
    found = re.search(r"https://\S+", text.partition("\n\n")[0])
    return found[0] if found else None


def adapter(name: str) -> Adapter:
    """Return the adapter of a provider; raises LookupError."""
    found = registry.adapter(name)
    if found is None:
        raise LookupError(name)
    return found


def _doors(verifier: Verifier) -> list[Door]:
    headers: tuple[str, ...]
    match verifier:
        case Capability():
            return [Door("capability", ())]
        case SignatureAndCapability(signature):
            return [Door("generation", (signature.header,)), Door("capability", ())]
        case StandardWebhooks() | WaveSpeedSignature():
            headers = _STANDARD
        case FourLineEd25519():
            headers = tuple(verifier)
        case BodyHmac():
            headers = (verifier.header,)
        case ConfiguredHmac():
            headers = ("x-signature",)
        case Bearer():
            headers = (BEARER,)
        case _:
            raise NotImplementedError(
                f"{type(verifier).__name__} has no entry in {__name__}: which headers does it read?"
            )
    return [Door("account", headers), Door("generation", headers)]

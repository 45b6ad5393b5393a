"""The addresses that generation providers call."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

# These providers sign nothing, or with a secret that is the capability itself.
UNSIGNED = frozenset({"bfl", "comfydeploy", "luma", "runpod"})
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Callbacks:
    """Where providers call Herald, and the keys that an application needs for it.

    Attributes
    ----------
    base_url
        The Terraform output `callbacks_url`.
    capability_keys
        By provider, the key that `./herald provider set <provider> --print` prints. The addresses
        of these providers contain a capability.
    webhook_secret
        The secret of the provider `generations`, for reports of your own application.
    """

    base_url: str
    capability_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("https://", "http://")):
            raise ValueError("base_url: must begin with https://")

    def callback_url(self, provider: str, generation_id: UUID | str | None = None) -> str:
        """Return the address for one generation or, without an id, for the provider's account.

        Give the address to the provider with the request. Whoever knows an address with a
        capability can report the result of this one generation.

        Raises
        ------
        ValueError
            The id is not a UUID, or the provider signs nothing and has no capability key.
        """
        if not _PROVIDER.fullmatch(provider):
            raise ValueError(f"provider: {provider!r} is not the name of a provider")
        parts = [self.base_url.rstrip("/"), provider]
        if generation_id is not None:
            parts.append(_text(generation_id))
        if provider in self.capability_keys or provider in UNSIGNED:
            if generation_id is None:
                raise ValueError(f"generation_id: {provider} needs an address for each generation")
            parts.append(self.capability(provider, generation_id))
        return "/".join(parts)

    def capability(self, provider: str, generation_id: UUID | str) -> str:
        """Return the last part of the address, which is also BFL's `webhook_secret`."""
        if not (key := self.capability_keys.get(provider)):
            raise ValueError(
                f"capability_keys: {provider} has none. ./herald provider set {provider} --print"
                " prints it."
            )
        message = f"{provider}/{_text(generation_id)}".encode()
        digest = hmac.digest(key.encode(), message, "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _text(generation_id: UUID | str) -> str:
    """Return an id in the form in which Herald computes capabilities: lowercase, with hyphens."""
    try:
        return str(generation_id if isinstance(generation_id, UUID) else UUID(generation_id))
    except ValueError:
        raise ValueError(f"generation_id: {generation_id!r} is not a UUID") from None

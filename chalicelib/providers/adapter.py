"""The interface between Herald and a provider. An adapter authenticates and reads webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.providers.delivery import Delivery, Keys, Proof
    from chalicelib.providers.polling import Interpret, Polling
    from chalicelib.providers.report import Report

    Check = Callable[[Mapping[str, object], list[Report]], None]

MAX_BODY_BYTES = 1024 * 1024


class Verifier(Protocol):
    """One method by which providers prove that a webhook is theirs."""

    def applies(self, keys: Keys) -> bool:
        """Whether the keys that this method needs are configured."""

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check a delivery; `now` is in epoch seconds. Raises NotAuthentic."""


class Adapter(NamedTuple):
    """One provider.

    Parameters
    ----------
    interpret
        Returns the reports in a payload, or none if its type is unknown. It must not raise.
    verifiers
        The first verifier whose keys are configured decides. A signature is therefore required as
        soon as its secret is set.
    max_body_bytes
        A larger body is refused before it is verified.
    check
        Raises Refused (422) for a malformed payload, given the reports that were read. Only the
        adapter of Herald's own payload has this check, because its senders can correct their
        payloads.
    jwks_url
        Where the provider publishes the public keys of its signatures (RFC 7517).
    polling
        How the provider is asked about a generation; None if it cannot be asked.
    output_hosts
        The hosts of the provider's outputs, in the form of providers/hosts.py.
    """

    interpret: Interpret
    verifiers: tuple[Verifier, ...]
    max_body_bytes: int = MAX_BODY_BYTES
    check: Check | None = None
    jwks_url: str | None = None
    polling: Polling | None = None
    output_hosts: tuple[str, ...] = ()

    def is_configured(self, keys: Keys) -> bool:
        """Whether any delivery of this provider can be authentic."""
        return any(verifier.applies(keys) for verifier in self.verifiers)

    def authenticate(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check a delivery; `now` is in epoch seconds.

        Raises
        ------
        NotAuthentic
            The delivery is not proven to come from the provider.
        LookupError
            The provider is not configured.
        """
        for verifier in self.verifiers:
            if verifier.applies(keys):
                return verifier.verify(delivery, keys, now)
        raise LookupError(delivery.provider)

"""A webhook as it arrived, the keys that check it, and the result of the check."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import HeraldError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Delivery(NamedTuple):
    """A webhook request.

    `headers` has names in lower case. `generation_id` and `token` come from the path and are None
    on routes without them. `body` is the raw body, whose bytes are signed. `options` are the
    provider's settings besides its keys; each adapter documents its own.
    """

    provider: str
    generation_id: str | None
    token: str | None
    headers: Mapping[str, str]
    body: bytes
    options: Mapping[str, object] = {}


class Keys(NamedTuple):
    """The keys that are configured for one provider; every part is optional.

    Parameters
    ----------
    secrets
        Signing secrets or bearer tokens. While a secret is being rotated there are two.
    token_keys
        Keys of capability tokens; also two during a rotation.
    account
        The id of our account at the provider, if it signs for all customers with the same keys.
    jwks
        The provider's public keys (RFC 7517).
    api_key
        Our key for the provider's API.
    """

    secrets: tuple[str, ...] = ()
    token_keys: tuple[str, ...] = ()
    account: str | None = None
    jwks: Mapping[str, object] | None = None
    api_key: str | None = None


class Proof(NamedTuple):
    """An authentic delivery. If the provider sends it again, `delivery_id` is the same."""

    delivery_id: str | None


class Reason(StrEnum):
    """Why a delivery is not authentic, for metrics and logs. The response does not contain it."""

    MISSING_HEADER = "missing header"
    LATE = "late"
    EARLY = "early"
    SIGNATURE = "signature"
    ACCOUNT = "other account"
    CAPABILITY = "capability"


class NotAuthentic(HeraldError):
    """The delivery was not proven to come from the provider."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason

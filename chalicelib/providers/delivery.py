"""One webhook as it arrived, the keys to check it with, and what the check proves."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import HeraldError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Delivery(NamedTuple):
    """A webhook request.

    `headers` has names in lower case. `generation_id` and `token` come from the path and are None
    on routes without them. `body` is the raw body: signatures are over these bytes. `options` is
    what an operator has set for the provider besides its keys; adapters document their own.
    """

    provider: str
    generation_id: str | None
    token: str | None
    headers: Mapping[str, str]
    body: bytes
    options: Mapping[str, object] = {}


class Keys(NamedTuple):
    """What is configured for one provider; every part is optional.

    Parameters
    ----------
    secrets
        Signing secrets or bearer tokens. While a secret is being rotated there are two.
    token_keys
        Keys of capability tokens, likewise.
    account
        The provider's id of our account, where its signing key is shared by all its customers.
    jwks
        The provider's public keys (RFC 7517).
    """

    secrets: tuple[str, ...] = ()
    token_keys: tuple[str, ...] = ()
    account: str | None = None
    jwks: Mapping[str, object] | None = None


class Proof(NamedTuple):
    """An authentic delivery; `delivery_id` is the provider's, the same for every repeat."""

    delivery_id: str | None


class Reason(StrEnum):
    """Why a delivery is not authentic. For metrics and logs only: the caller is not told."""

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

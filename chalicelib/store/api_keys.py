"""API keys, `hk_<id>_<secret>` in hexadecimal. The table stores SHA-256, owner and expiry."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from chalicelib.aws.dynamodb import number_of, text_of, to_item
from chalicelib.aws.service import Service
from chalicelib.errors import Unauthorized
from chalicelib.store.connections import NEVER

_PREFIX = "hk"
_ID_BYTES, _SECRET_BYTES = 8, 32
_FORM = re.compile(f"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_[0-9a-f]{{{2 * _SECRET_BYTES}}}")


class ApiKeyOwner(NamedTuple):
    """The owner of a key and the time at which it expires, in epoch seconds or NEVER."""

    user_id: str
    expires_at: int


def new_key() -> tuple[str, str]:
    """Return a new key's id (64 random bits) and its full text (with another 256 random bits)."""
    key_id = secrets.token_hex(_ID_BYTES)
    return key_id, f"{_PREFIX}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"


def id_of(key: str) -> str:
    """Return a key's id, or an empty string when the key does not have the form of `new_key`."""
    found = _FORM.fullmatch(key)
    return found[1] if found else ""


def fingerprint(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal. The key itself is not stored."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeys:
    """The keys of one table."""

    def __init__(
        self, dynamodb: Service, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def verify(self, key: str) -> ApiKeyOwner:
        """Return the owner of a key.

        Raises
        ------
        Unauthorized
            The key is malformed, unknown, wrong or expired.
        ServiceError
            DynamoDB failed.
        """
        key_id = id_of(key)
        if not key_id:
            raise Unauthorized("the API key is malformed")
        payload = {
            "TableName": self._table,
            "Key": to_item({"key_id": key_id}),
            "ConsistentRead": True,  # so that a revoked key is refused immediately
        }
        item = self._dynamodb.call("GetItem", payload).get("Item", {})
        if not hmac.compare_digest(fingerprint(key), text_of(item, "key_sha256")):
            raise Unauthorized("the API key is unknown or wrong")
        expires_at = number_of(item, "expires_at", NEVER)
        if expires_at != NEVER and expires_at <= self._clock():
            raise Unauthorized("the API key has expired")
        return ApiKeyOwner(text_of(item, "user_id"), expires_at)

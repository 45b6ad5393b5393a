"""The methods by which providers prove that a webhook is theirs.

Every comparison takes constant time.
"""

from __future__ import annotations

import base64
import hmac
import re
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.providers import fields
from chalicelib.providers.delivery import Delivery, Keys, NotAuthentic, Proof, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE_SECONDS = 300
MAX_ID_CHARACTERS = 256
MAX_SIGNATURES = 20

# A malformed entry, or an entry of another scheme, is skipped.
_SIGNATURES = re.compile(r"(?<![^\s,])v1,([A-Za-z0-9+/]+={0,2})(?![^\s,])")


class StandardWebhooks:
    """HMAC-SHA256 according to https://www.standardwebhooks.com.

    Used by Replicate, Kling and Herald's own payload.
    """

    def applies(self, keys: Keys) -> bool:
        """Whether a signing secret is configured."""
        return bool(keys.secrets)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check `webhook-signature` against each active secret, a `whsec_…`."""
        delivery_id, signed = standard_text(delivery, now)
        found = _SIGNATURES.findall(header(delivery, "webhook-signature"))[:MAX_SIGNATURES]
        for secret in keys.secrets:
            digest = _keyed(secret).copy()
            digest.update(signed)
            wanted = base64.b64encode(digest.digest()).decode()
            if any(hmac.compare_digest(wanted, signature) for signature in found):
                return Proof(delivery_id)
        raise NotAuthentic(Reason.SIGNATURE)


class FourLineEd25519(NamedTuple):
    """An Ed25519 signature of request id, user id, time and the body's SHA-256: fal, Ideogram.

    The provider signs for all customers with the same keys, so the user id must be ours.
    """

    request_id: str  # header names
    user_id: str
    timestamp: str
    signature: str

    def applies(self, keys: Keys) -> bool:
        """Whether our account is configured; the provider's keys are public."""
        return keys.account is not None

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check the hex signature against every Ed25519 key of the provider."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        request_id = header(delivery, self.request_id)
        user_id = header(delivery, self.user_id)
        timestamp = _timestamp(delivery, self.timestamp, now)
        try:
            signature = bytes.fromhex(header(delivery, self.signature))
        except ValueError as exc:
            raise NotAuthentic(Reason.SIGNATURE) from exc
        digest = sha256(delivery.body).hexdigest()
        signed = f"{request_id}\n{user_id}\n{timestamp}\n{digest}".encode(errors="replace")
        for key in _ed25519_keys(keys.jwks or {}):
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
            except (InvalidSignature, ValueError):
                continue
            if not hmac.compare_digest(user_id.encode(), (keys.account or "").encode()):
                raise NotAuthentic(Reason.ACCOUNT)
            return Proof(request_id[:MAX_ID_CHARACTERS])
        raise NotAuthentic(Reason.SIGNATURE)


class BodyHmac(NamedTuple):
    """HMAC-SHA256 of the body alone, in one header after a prefix.

    `encoding` is hex or base64. With `per_generation`, the key is the generation's capability, for
    providers that accept a secret with each request.
    """

    header: str
    prefix: str = ""
    encoding: str = "hex"
    per_generation: bool = False

    def applies(self, keys: Keys) -> bool:
        """Whether a signing secret, or the key of capabilities, is configured."""
        return bool(keys.token_keys if self.per_generation else keys.secrets)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check the header against each active key; the scheme has neither a time nor an id."""
        given = header(delivery, self.header).removeprefix(self.prefix).strip()
        for key in self._keys(delivery, keys):
            digest = hmac_sha256(key, delivery.body)
            wanted = digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()
            if hmac.compare_digest(wanted.encode(), given.encode(errors="replace")):
                return Proof(None)
        raise NotAuthentic(Reason.SIGNATURE)

    def _keys(self, delivery: Delivery, keys: Keys) -> list[bytes]:
        if not self.per_generation:
            return [secret.encode() for secret in keys.secrets]
        made = (_capability_of(key, delivery) for key in keys.token_keys)
        return [token.encode() for token in made]


class Bearer:
    """A fixed token in the `Authorization` header, as Leonardo sends it."""

    def applies(self, keys: Keys) -> bool:
        """Whether a token is configured."""
        return bool(keys.secrets)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Compare the token with each active one."""
        scheme, _, token = header(delivery, "authorization").partition(" ")
        given = token.strip().encode(errors="replace")
        known = any(hmac.compare_digest(secret.encode(), given) for secret in keys.secrets)
        if scheme.lower() != "bearer" or not known:
            raise NotAuthentic(Reason.SIGNATURE)
        return Proof(None)


class SignatureAndCapability(NamedTuple):
    """A signature with the generation's capability as key, or the capability in the path, for BFL.

    Without a token in the path, the signature is required. With a token, the token must be valid,
    and the signature is checked only if its header is present.
    """

    signature: BodyHmac

    def applies(self, keys: Keys) -> bool:
        """Whether the key of capabilities is configured."""
        return bool(keys.token_keys)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Check the token and the signature, as far as they are present; one of them must be."""
        if delivery.token is not None:
            Capability().verify(delivery, keys, now)
        if delivery.token is None or self.signature.header in delivery.headers:
            self.signature.verify(delivery, keys, now)
        return Proof(None)


class Capability:
    """A token in the callback's path that only we can make, for providers that sign nothing."""

    def applies(self, keys: Keys) -> bool:
        """Whether the key of capabilities is configured."""
        return bool(keys.token_keys)

    def verify(self, delivery: Delivery, keys: Keys, now: float) -> Proof:
        """Compare the path's token with the capability of this provider and generation."""
        given = (delivery.token or "").encode(errors="replace")
        made = (_capability_of(key, delivery) for key in keys.token_keys)
        if not any(hmac.compare_digest(token.encode(), given) for token in made):
            raise NotAuthentic(Reason.CAPABILITY)
        return Proof(None)


def capability(key: str, provider: str, generation_id: str) -> str:
    """Return the token for a provider's callback for one generation.

    It is HMAC-SHA256(key, "<provider>/<generation id>"), encoded as base64url without padding.
    """
    digest = hmac_sha256(key.encode(), f"{provider}/{generation_id}".encode(errors="replace"))
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def standard_text(delivery: Delivery, now: float) -> tuple[str, bytes]:
    """Return a delivery's id and the text that Standard Webhooks signs; raises NotAuthentic."""
    delivery_id = header(delivery, "webhook-id")
    if len(delivery_id) > MAX_ID_CHARACTERS or "\0" in delivery_id:
        raise NotAuthentic(Reason.MISSING_HEADER)
    timestamp = _timestamp(delivery, "webhook-timestamp", now)
    text = f"{delivery_id}.{timestamp}."
    return delivery_id, text.encode(errors="replace") + delivery.body


def _capability_of(key: str, delivery: Delivery) -> str:
    return capability(key, delivery.provider, delivery.generation_id or "")


def header(delivery: Delivery, name: str) -> str:
    """Return a required header; raises NotAuthentic if it is missing or empty."""
    value = delivery.headers.get(name)
    if not value:
        raise NotAuthentic(Reason.MISSING_HEADER)
    return value


def _timestamp(delivery: Delivery, name: str, now: float) -> str:
    """Return a header with epoch seconds, as text; raises NotAuthentic if it is not near now."""
    value = header(delivery, name)
    if not (value.isascii() and value.isdigit() and len(value) < 20):
        raise NotAuthentic(Reason.SIGNATURE)
    if int(value) < now - TOLERANCE_SECONDS:
        raise NotAuthentic(Reason.LATE)
    if int(value) > now + TOLERANCE_SECONDS:
        raise NotAuthentic(Reason.EARLY)
    return value


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return an HMAC-SHA256 of 32 bytes."""
    return hmac.digest(key, message, "sha256")


@lru_cache
def _keyed(secret: str) -> hmac.HMAC:
    """Return the start of all HMAC-SHA256 with the key in a `whsec_…` secret.

    `./herald provider set` accepts only valid secrets.
    """
    return hmac.new(base64.b64decode(secret.removeprefix("whsec_")), digestmod=sha256)


def _ed25519_keys(jwks: Mapping[str, object]) -> list[bytes]:
    found = []
    for entry in map(fields.record, fields.items(jwks.get("keys"))):
        x = fields.text(entry.get("x"), 100)
        if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and x:
            try:
                found.append(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
            except ValueError:
                continue
    return found

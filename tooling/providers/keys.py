"""Keys of imitated providers: those that sign, and the secret with which Herald verifies."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    SigningKeys = Mapping[str, Mapping[str, str]]

ACCOUNT = "herald-local"
HMAC_OPTIONS = {"header": "X-Signature", "prefix": "sha256="}
_STANDARD = ("gemini", "generations", "kling", "openai", "replicate")
POLLED = (
    *("bfl", "fal", "gemini", "ideogram", "kling", "leonardo"),
    *("luma", "openai", "replicate", "runpod", "runway", "stability"),
)
_CAPABILITY = ("bfl", "comfydeploy", "luma", "runpod")


def draw() -> dict[str, dict[str, str]]:
    """Return new random keys of all providers: those that sign, in the form that signing.py takes,
    and the `api_key` of each API.
    """
    found = _signing()
    for name in POLLED:
        found[name] = {**found.get(name, {}), "api_key": secrets.token_urlsafe(32)}
    return found


def _signing() -> dict[str, dict[str, str]]:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    signed_for_all = {"private_key": pem.decode(), "user_id": ACCOUNT}
    return {
        **{name: {"secret": whsec()} for name in _STANDARD},
        **{name: {"token_key": secrets.token_urlsafe(32)} for name in _CAPABILITY},
        "fal": signed_for_all,
        "hmac": {"secret": secrets.token_urlsafe(32), **HMAC_OPTIONS},
        "ideogram": signed_for_all,
        "leonardo": {"secret": secrets.token_urlsafe(32)},
        "wavespeed": {"secret": whsec()},
    }


def whsec() -> str:
    """Return a random secret of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def secret(keys: SigningKeys, asked: Container[str] = ()) -> str:
    """Return the value of the secret `herald-<stage>-providers` that verifies these keys.

    It contains the API keys of the providers in `asked`.
    """
    found = {name: entry(own) for name, own in keys.items()}
    for name, own in keys.items():
        if name in asked:
            found[name]["api_key"] = own["api_key"]
    return json.dumps({name: each for name, each in found.items() if each})


def entry(keys: Mapping[str, str]) -> dict[str, object]:
    """Return a provider's entry in that secret."""
    found: dict[str, object] = {}
    if "secret" in keys:
        found["secrets"] = [keys["secret"]]
    if "token_key" in keys:
        found["token_keys"] = [keys["token_key"]]
    if "private_key" in keys:
        found |= {"account": keys["user_id"], "jwks": jwks(keys["private_key"])}
    if options := {name: keys[name] for name in HMAC_OPTIONS if name in keys}:
        found["options"] = options
    return found


def private_key(pem: str) -> Ed25519PrivateKey:
    """Read a private key; raises TypeError for another kind of key."""
    found = load_pem_private_key(pem.encode(), None)
    if not isinstance(found, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 key")
    return found


def jwks(pem: str) -> dict[str, object]:
    """Return the JWK set (RFC 7517) with the public key of a private one."""
    public = private_key(pem).public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}

"""Tokens and addresses are those that Herald accepts."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest

from chalicelib.errors import Unauthorized
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.providers import registry
from chalicelib.providers.verifiers import Capability, SignatureAndCapability
from chalicelib.sessions import tokens
from chalicelib.sessions.tokens import Rules, Tokens
from herald_client.server import Callbacks, mint_token
from herald_client.server.autogenerate import without_herald
from herald_client.server.callbacks import UNSIGNED
from herald_client.server.reports import signing_key
from herald_client.server.submitting import was_refused
from herald_client.server.tokens import MAX_LIFETIME, SHORTEST_SECRET
from herald_client.server.tokens import MAX_USER_CHARACTERS as CLIENT_MAX_USER_CHARACTERS
from tooling.providers import signing

SECRET = "s" * 32
ID = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
BASE = "https://callbacks.example.com/callbacks"
GOOD: dict[str, Any] = {"secret": SECRET, "issuer": "app", "audience": "herald"}


def verified(token: str, **rules: str) -> tokens.Identity:
    expected = {"algorithm": "HS256", "issuer": "app", "audience": "herald", **rules}
    return Tokens(Rules(**expected), lambda: SECRET).verify(token)


def test_herald_accepts_a_token_for_its_lifetime() -> None:
    identity = verified(mint_token("ålice", **GOOD, lifetime=900))
    assert identity.user_id == "ålice"
    assert identity.token_expires_at - identity.issued_at == 900


def test_herald_refuses_an_expired_or_foreign_token() -> None:
    with pytest.raises(Unauthorized):
        verified(mint_token("alice", **GOOD, now=1_000_000_000))
    with pytest.raises(Unauthorized):
        verified(mint_token("alice", **GOOD), audience="other")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", ""),
        ("user", "x" * 257),
        ("secret", "s" * 31),
        ("lifetime", 0),
        ("lifetime", 86_401),
        ("issuer", ""),
        ("audience", ""),
    ],
)
def test_a_token_that_herald_would_refuse_is_not_issued(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        mint_token(**{"user": "alice", **GOOD, field: value})


def test_the_limits_of_tokens_are_heralds() -> None:
    assert MAX_LIFETIME == tokens.LONGEST_SECONDS
    assert SHORTEST_SECRET == tokens.SHORTEST_SECRET_BYTES
    assert CLIENT_MAX_USER_CHARACTERS == MAX_USER_CHARACTERS


def test_providers_without_signatures_are_those_of_the_adapters() -> None:
    only: set[str] = set()
    for name in registry.NAMES:
        adapter = registry.adapter(name)
        verifiers = adapter.verifiers if adapter else ()
        kinds = (Capability, SignatureAndCapability)
        if verifiers and all(isinstance(verifier, kinds) for verifier in verifiers):
            only.add(name)
    assert only == UNSIGNED


def test_an_address_names_the_generation_or_the_account() -> None:
    callbacks = Callbacks(f"{BASE}/")
    assert callbacks.callback_url("replicate", uuid.UUID(ID)) == f"{BASE}/replicate/{ID}"
    assert callbacks.callback_url("replicate", ID.upper()) == f"{BASE}/replicate/{ID}"
    assert callbacks.callback_url("replicate") == f"{BASE}/replicate"


@pytest.mark.parametrize("provider", sorted(UNSIGNED | {"kling"}))
def test_the_capability_in_an_address_is_the_one_that_herald_computes(provider: str) -> None:
    callbacks = Callbacks(BASE, capability_keys={provider: "kéy"})
    token = signing.capability(b"", {"token_key": "kéy"}, provider, ID, "", 0).token
    assert callbacks.callback_url(provider, ID) == f"{BASE}/{provider}/{ID}/{token}"
    assert callbacks.capability(provider, ID) == token


def test_an_address_at_which_herald_would_refuse_every_webhook_is_an_error() -> None:
    with pytest.raises(ValueError, match="capability_keys: runpod"):
        Callbacks(BASE).callback_url("runpod", ID)
    with pytest.raises(ValueError, match="generation_id: runpod needs"):
        Callbacks(BASE, capability_keys={"runpod": "k"}).callback_url("runpod")
    with pytest.raises(ValueError, match="generation_id: 'x' is not a UUID"):
        Callbacks(BASE).callback_url("replicate", "x")
    with pytest.raises(ValueError, match=r"provider: '\.\./x'"):
        Callbacks(BASE).callback_url("../x", ID)
    with pytest.raises(ValueError, match="base_url"):
        Callbacks("callbacks.example.com")


def test_keys_are_not_shown_and_a_malformed_secret_is_an_error() -> None:
    secret = f"whsec_{base64.b64encode(b'key').decode()}"
    callbacks = Callbacks(BASE, {"runpod": "hidden"}, secret)
    assert repr(callbacks) == f"Callbacks(base_url={BASE!r})"
    assert signing_key(callbacks) == b"key"
    for malformed in (None, "", "whsec_!"):
        with pytest.raises(ValueError, match="webhook_secret"):
            signing_key(Callbacks(BASE, {}, malformed))


class Answered(Exception):
    """As in httpx and requests: the response has the status."""

    def __init__(self, status: int) -> None:
        self.response = type("Response", (), {"status_code": status})()


class WithStatus(Exception):
    """As in aiohttp and the SDKs of providers."""

    def __init__(self, status: int) -> None:
        self.status = status


@pytest.mark.parametrize("kind", [Answered, WithStatus])
def test_only_a_call_that_certainly_started_nothing_counts_as_refused(kind: Any) -> None:
    assert all(was_refused(kind(status)) for status in (400, 401, 402, 422, 429))
    assert not any(was_refused(kind(status)) for status in (408, 500, 502, 503, 504))
    assert was_refused(ConnectionRefusedError())
    assert not any(was_refused(error) for error in (TimeoutError(), ConnectionResetError()))


def test_filters_of_the_application_are_still_asked() -> None:
    filters = without_herald(
        include_name=lambda name, kind, parents: name != "own",
        include_object=lambda item, name, kind, reflected, other: name != "own",
    )
    table = type("Table", (), {"schema": None})()
    theirs = type("Table", (), {"schema": "herald"})()
    assert filters["include_name"]("posts", "table", {"schema_name": None})
    assert not filters["include_name"]("own", "table", {"schema_name": None})
    assert not filters["include_name"]("herald", "schema", {})
    assert not filters["include_name"]("outbox", "table", {"schema_name": "herald"})
    assert filters["include_object"](table, "posts", "table", True, None)
    assert not filters["include_object"](table, "own", "table", True, None)
    assert not filters["include_object"](theirs, "outbox", "table", True, None)

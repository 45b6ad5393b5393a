"""Tokens that `./herald token` issues, and what a deployment's settings do to them."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.sessions.tokens import Tokens
from cli import access
from cli.console import CommandError
from cli.target import Target

SECRET = "s" * 40


class FakeTarget(Target):
    """A deployment whose `authorize` has these settings."""

    def __init__(self, algorithm: str = "HS256") -> None:
        super().__init__("local stack", {"stage": "test"})
        self._settings = {
            "HERALD_JWT_ALGORITHM": algorithm,
            "HERALD_JWT_ISSUER": "shop",
            "HERALD_JWT_AUDIENCE": "herald",
            "HERALD_ALLOWED_ORIGINS": "http://LOCALHOST:5173",
        }

    def client(self, service: str) -> Any:
        assert service == "lambda"
        return SimpleNamespace(
            get_function_configuration=self._configuration,
            exceptions=SimpleNamespace(ResourceNotFoundException=KeyError),
        )

    def _configuration(self, *, FunctionName: str) -> Any:  # noqa: N803 - boto3's name
        if FunctionName != "herald-test-authorize":
            raise KeyError(FunctionName)
        return {"Environment": {"Variables": self._settings}}

    def secret(self, kind: str) -> str:
        assert kind == "jwt"
        return SECRET


def test_herald_accepts_an_issued_token() -> None:
    token = access.issue(FakeTarget(), "alice", 300)
    identity = Tokens(access.read(FakeTarget()).rules, lambda: SECRET).verify(token)
    assert identity.user_id == "alice"
    assert 295 <= identity.token_expires_at - time.time() <= 300


def test_only_the_identity_provider_signs_rs256() -> None:
    with pytest.raises(CommandError, match="verifies RS256, so only your identity provider"):
        access.issue(FakeTarget("RS256"), "alice", 300)


def test_origins_are_read_in_the_form_in_which_they_are_compared() -> None:
    assert access.read(FakeTarget()).origins == {"http://localhost:5173"}

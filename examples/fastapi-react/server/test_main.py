"""Tests of the API against a real database; only the provider is replaced."""

import uuid

import httpx
import pytest
from fastapi.testclient import TestClient

import main
import provider

ORDER = {"prompt": "a lighthouse", "style": "linocut"}


def test_a_generation_is_submitted_with_its_own_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []

    def start(prompt: str, webhook: str) -> str:
        calls.append((prompt, webhook))
        return uuid.uuid4().hex

    monkeypatch.setattr(provider, "start", start)
    with TestClient(main.app) as page:
        row = page.post("/api/generations", json=ORDER).json()
        assert page.get("/api/generations").json() == [row]
    ((prompt, webhook),) = calls
    assert prompt == "a lighthouse, linocut"
    assert webhook.endswith(f"/callbacks/replicate/{row['id']}")
    assert row["status"] == "PENDING"


def test_users_see_only_their_own_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "start", lambda *_: uuid.uuid4().hex)
    with TestClient(main.app) as alice, TestClient(main.app) as bob:
        alice.post("/api/generations", json=ORDER)
        assert bob.get("/api/generations").json() == []


def test_herald_ends_a_generation_that_the_provider_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: str) -> str:
        answer = httpx.Response(422, request=httpx.Request("POST", "https://replicate.test"))
        raise httpx.HTTPStatusError("refused", request=answer.request, response=answer)

    monkeypatch.setattr(provider, "start", refuse)
    with TestClient(main.app) as page:
        page.post("/api/generations", json=ORDER)
        (row,) = page.get("/api/generations").json()
    assert row["status"] == "ERROR"
    assert row["error"]["code"] == "invalid_input"

"""The studio's HTTP interface."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from local.studio.app import create_app
from local.studio.provider import Provider
from local.studio.store import Job, PostgresStore
from tests.fakes.serving import listener, port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from local.studio.settings import Settings
    from local.studio.store import Store
    from tests.fakes.herald import MemoryStore

pytestmark = pytest.mark.integration


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, str, Job]]:
    """A fake provider that records the requested images but draws none."""
    calls: list[tuple[UUID, str, Job]] = []
    monkeypatch.setattr(Provider, "start", lambda _, *call: calls.append(call))
    return calls


@pytest.fixture
def client(
    settings: Settings, store: MemoryStore, started: list[tuple[UUID, str, Job]]
) -> Iterator[httpx.Client]:
    with studio(settings, store) as client:
        yield client


@contextmanager
def studio(settings: Settings, store: Store) -> Iterator[httpx.Client]:
    listening = listener()
    url = f"http://127.0.0.1:{port(listening)}"
    with (
        serving(create_app(settings, store), listening),
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def test_a_new_generation_is_pending_and_the_provider_starts(
    client: httpx.Client, started: list[tuple[UUID, str, Job]]
) -> None:
    answer = client.post("/api/generations", json={"prompt": "  a fox  ", "user": "alice"})
    assert answer.status_code == 201
    generation = answer.json()
    assert generation["status"] == "PENDING"
    assert generation["prompt"] == "a fox"
    [(started_id, prompt, job)] = started
    assert (str(started_id), prompt, job.provider) == (generation["id"], "a fox", "replicate")
    assert job.provider_id == f"studio-{started_id.hex}"


def test_users_see_their_own_generations_newest_first(client: httpx.Client) -> None:
    for user, prompt in (("alice", "one"), ("bob", "two"), ("alice", "three")):
        client.post("/api/generations", json={"prompt": prompt, "user": user})
    found = client.get("/api/generations", params={"user": "alice"}).json()["generations"]
    assert [each["prompt"] for each in found] == ["three", "one"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user": "alice"}, "prompt"),
        ({"prompt": "", "user": "alice"}, "prompt"),
        ({"prompt": " \n", "user": "alice"}, "prompt"),
        ({"prompt": 7, "user": "alice"}, "prompt"),
        ({"prompt": "x" * 1001, "user": "alice"}, "prompt"),
        ({"prompt": "a\x00b", "user": "alice"}, "prompt"),
        ({"prompt": "a fox"}, "user"),
        ({"prompt": "a fox", "user": ""}, "user"),
        ({"prompt": "a fox", "user": "al ice"}, "user"),
        ({"prompt": "a fox", "user": "a" * 65}, "user"),
        ({"prompt": "a fox", "user": "../alice"}, "user"),
        ({"prompt": "a fox", "user": "alice", "provider": "sagemaker"}, "provider"),
        ({"prompt": "a fox", "user": "alice", "provider": ["fal"]}, "provider"),
    ],
)
def test_an_invalid_field_is_named_and_nothing_is_stored(
    client: httpx.Client, store: MemoryStore, started: list[Any], body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/generations", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"].startswith(f"{field} must ")
    assert not store.rows
    assert not started


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b'{"prompt":"a fox","user":"alice"}', "text/plain", 415),
        (b'{"prompt":"' + b"x" * 20_000 + b'"}', "application/json", 413),
    ],
)
def test_a_malformed_request_is_rejected(
    client: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = client.post("/api/generations", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_token_is_for_one_user_and_expires_after_15_minutes(
    client: httpx.Client, settings: Settings
) -> None:
    answer = client.get("/api/token", params={"user": "alice"}).json()
    claims = jwt.decode(
        answer["token"],
        settings.jwt_secret,
        algorithms=["HS256"],
        audience="herald",
        issuer="studio",
        options={"require": ["sub", "iat", "exp", "iss", "aud"]},
    )
    assert claims["sub"] == "alice"
    assert claims["exp"] - claims["iat"] == answer["expiresIn"] == 900
    assert client.get("/api/token").json()["error"]["field"] == "user"


def test_the_page_runs_only_its_own_files_and_connects_only_to_herald(
    client: httpx.Client,
) -> None:
    answer = client.get("/")
    assert 'content="ws://herald.test:8080/local?a=1&amp;b=2"' in answer.text
    assert "{{" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self' ws://herald.test:8080;" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", answer.text)


def test_every_file_of_the_page_is_served(client: httpx.Client) -> None:
    page = client.get("/").text
    wanted = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert "/static/app.js" in wanted
    seen: set[str] = set()
    while wanted:
        path = wanted.pop()
        answer = client.get(path)
        assert answer.status_code == 200, path
        seen.add(path)
        folder = path.rpartition("/")[0]
        for imported in re.findall(r'^import .* from "([^"]+)";$', answer.text, re.MULTILINE):
            absolute = imported if imported.startswith("/") else f"{folder}/{imported[2:]}"
            if absolute not in seen:
                wanted.append(absolute)
    assert {"/herald/herald.js", "/herald/stream.js", "/static/gallery.js"} <= seen


def test_missing_images_and_unknown_paths_are_404(client: httpx.Client) -> None:
    missing = "/images/00000000-0000-4000-8000-000000000000.png"
    assert client.get(missing).status_code == 404
    assert client.get("/images/..%2fsettings.py").status_code == 404
    assert client.get("/static/../settings.py").status_code == 404


def test_healthz_answers(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok\n"


def test_a_database_that_is_down_is_a_503_with_retry_after(
    settings: Settings, started: list[Any]
) -> None:
    with studio(settings, PostgresStore(settings.database_url)) as client:
        answer = client.post("/api/generations", json={"prompt": "a fox", "user": "alice"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "database" in answer.json()["error"]["message"]
    assert not started

"""The examples of the README run as they are."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg2
import pytest
from alembic.config import main
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

import herald_client
from herald_client import Closed
from tests.integration.clients.python.scripted import REVOKED, Scripted, result, welcome
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration

PACKAGE = ROOT / "clients" / "python"
PROGRAMS = re.findall(r"(?ms)^```python\n(.*?)^```", (PACKAGE / "README.md").read_text())
FOLLOW, FOLLOW_SYNC, SUBMIT, MODELS, ENVIRONMENT, TEST = PROGRAMS
TEMPLATE = "revision = ${repr(up_revision)}\ndown_revision = None\nupgrades = '''${upgrades}'''\n"


def run(program: str) -> dict[str, Any]:
    """Run a program of the README, and return its names."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(program, "README.md", "exec", dont_inherit=True), names)  # noqa: S102 - our own document
    return names


def test_the_asynchronous_program_prints_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERALD_JWT_SECRET", "s" * 32)
    monkeypatch.setenv("HERALD_JWT_ISSUER", "issuer")
    monkeypatch.setenv("HERALD_JWT_AUDIENCE", "audience")
    with Scripted([welcome(0), result(1), REVOKED]) as server:
        monkeypatch.setenv("HERALD_WEBSOCKET_URL", server.url)
        with pytest.raises(Closed, match="revoked"):
            run(FOLLOW)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "read your own rows: start",
        "generation-1 COMPLETE https://images.example.com/1.png",
    ]


def test_the_synchronous_program_prints_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERALD_API_KEY", "hk_1_secret")
    with Scripted([welcome(0), result(1), REVOKED]) as server:
        monkeypatch.setenv("HERALD_WEBSOCKET_URL", server.url)
        with pytest.raises(Closed, match="revoked"):
            run(FOLLOW_SYNC)
        assert server.requests[0].headers["x-api-key"] == "hk_1_secret"
    assert capsys.readouterr().out == "generation-1 COMPLETE\n"


def test_the_backend_submits_a_generation(
    monkeypatch: pytest.MonkeyPatch, fresh_database: str
) -> None:
    base = "https://callbacks.example.com/callbacks"
    for name, value in {
        "HERALD_CALLBACKS_URL": base,
        "HERALD_RUNPOD_KEY": "key",
        "HERALD_WEBHOOK_SECRET": "whsec_a2V5",
        "RUNPOD_URL": "https://runpod.example.com/run",
        "RUNPOD_API_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"id": "job-1"})

    real = httpx.AsyncClient
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", lambda: real(transport=transport))
    generate: Callable[..., Any] = run(SUBMIT)["generate"]

    async def scenario() -> str:
        url = make_url(fresh_database).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(url, poolclass=NullPool)
        async with AsyncSession(engine) as session:
            found: str = await generate(session, "alice", "waves")
        await engine.dispose()
        return found

    found = asyncio.run(scenario())
    assert f"{base}/runpod/{uuid.UUID(found)}/" in requests[0].content.decode()
    connection = psycopg2.connect(fresh_database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, user_id, prompt, provider_id FROM herald.generations")
        assert cursor.fetchall() == [(found, "alice", "waves", "job-1")]
    connection.close()


def test_alembic_with_that_env_py_only_creates_that_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_database: str
) -> None:
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "shop_models.py").write_text(MODELS)
    (tmp_path / "migrations" / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "migrations" / "script.py.mako").write_text(TEMPLATE)
    configuration = tmp_path / "alembic.ini"
    configuration.write_text(
        "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
    )
    url = make_url(fresh_database).set(drivername="postgresql+psycopg2")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        main(["-c", str(configuration), "revision", "--autogenerate", "-m", "first"])
    finally:
        sys.modules.pop("shop_models", None)
    (written,) = versions.iterdir()
    operations = re.findall(r"op\.\w+", written.read_text())
    assert operations == ["op.create_table"]


def test_the_scripted_herald_serves_tests_of_applications() -> None:
    asyncio.run(run(TEST)["test_a_result_is_shown"]())


def test_the_package_names_its_version_license_and_dependencies() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == ["websockets>=15"]
    assert project["tool"]["hatch"]["version"]["path"] == "herald_client/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", herald_client.__version__)
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (PACKAGE / "herald_client" / "py.typed").exists()

"""The page's application runs: rows, tokens, and what happens if the provider fails."""

from __future__ import annotations

import json
import re
import subprocess
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from standardwebhooks import Webhook

from chalicelib.sessions.tokens import Rules, Tokens
from tests import contracts
from tests.fakes.http_server import HttpServer
from tests.integration.nestjs.conftest import beside_herald, connected
from tests.integration.nestjs.project import PAGE
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.postgres import Postgres
    from tests.integration.nestjs.project import Project

pytestmark = pytest.mark.integration

SECRET = "j" * 32
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXM="
ORDER = {"prompt": "A lighthouse", "style": "linocut"}


class Outside:
    """The provider and Herald's webhook address, on one server."""

    def __init__(self, database: str) -> None:
        self.status = 201
        self.rows: list[Any] = []  # what the database had when the provider was called
        self.orders: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/callbacks/generations":
                    report = Webhook(WEBHOOK_SECRET).verify(body, dict(self.headers.items()))
                    outside.reports.append(report)
                    self.respond(200, {})
                    return
                outside.orders.append(json.loads(body))
                with connected(database) as cursor:
                    cursor.execute("SELECT id::text, status FROM herald.generations")
                    outside.rows = cursor.fetchall()
                self.respond(outside.status, {"id": "prediction-1"})

            def respond(self, status: int, answer: dict[str, str]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HttpServer(Handler)


@pytest.fixture(scope="module")
def compiled(project: Project) -> Project:
    project.compile()
    return project


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[str]:
    with beside_herald(postgres) as dsn, connected(dsn) as cursor:
        cursor.execute(
            "CREATE TABLE pictures (generation_id uuid PRIMARY KEY"
            " REFERENCES herald.generations ON DELETE CASCADE, style text NOT NULL)"
        )
        yield dsn


@pytest.fixture
def outside(database: str) -> Iterator[Outside]:
    made = Outside(database)
    yield made
    made.server.stop()
    with connected(database) as cursor:
        cursor.execute("DELETE FROM pictures")


@pytest.fixture
def api(
    compiled: Project, database: str, outside: Outside, tmp_path: Path
) -> Iterator[httpx.Client]:
    """The API of the running application, for the user `alice`."""
    environment = {
        **compiled.environment(database),
        "REPLICATE_URL": outside.server.url,
        "REPLICATE_API_TOKEN": "r8_test",
        "HERALD_CALLBACKS_URL": f"{outside.server.url}/callbacks",
        "HERALD_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "HERALD_JWT_SECRET": SECRET,
        "HERALD_JWT_ISSUER": "shop",
        "HERALD_JWT_AUDIENCE": "herald",
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [compiled.node, "dist/main.js"],
            cwd=compiled.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url, (tmp_path / "log").read_text()
        with httpx.Client(base_url=url, headers={"x-user": "alice"}, timeout=30) as client:
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_packages_on_the_page_are_those_of_the_test() -> None:
    (commands,) = re.findall(r"(?m)^npm install @nestjs.*\n.*$", PAGE)
    named = {word for word in commands.split() if not word.startswith(("npm", "install", "--"))}
    pins = json.loads((ROOT / "requirements" / "nestjs" / "package.json").read_text())
    only_here = {"@prisma/schema-engine-wasm"}
    assert named == {*pins["dependencies"], *pins["devDependencies"]} - only_here


def submit(api: httpx.Client) -> dict[str, Any]:
    answer = api.post("/api/generations", json=ORDER)
    assert answer.status_code == 202, answer.text
    row: dict[str, Any] = answer.json()
    return row


def test_the_row_is_committed_before_the_provider_is_called(
    api: httpx.Client, outside: Outside, database: str
) -> None:
    row = submit(api)
    assert row.items() >= {**ORDER, "status": "PENDING", "imageUrl": None}.items()
    assert (row["id"], "PENDING") in outside.rows
    (order,) = outside.orders
    assert order["input"] == {"prompt": "A lighthouse, linocut"}
    assert order["webhook"] == f"{outside.server.url}/callbacks/replicate/{row['id']}"
    with connected(database) as cursor:
        cursor.execute(
            "SELECT user_id, provider, provider_id, checks FROM herald.generations WHERE id = %s",
            (row["id"],),
        )
        assert cursor.fetchone() == ("alice", "replicate", "prediction-1", 0)
    assert outside.reports == []


def test_a_user_sees_only_own_rows_with_what_the_client_needs(
    api: httpx.Client, outside: Outside
) -> None:
    row = submit(api)
    assert api.get("/api/generations").json() == [row]
    assert {"id", "status", "updatedAt"} <= row.keys()
    assert api.get("/api/generations", headers={"x-user": "bob"}).json() == []
    assert len(outside.orders) == 1


def test_herald_accepts_the_token(api: httpx.Client) -> None:
    answer = api.get("/api/token")
    identity = Tokens(Rules("HS256", "shop", "herald"), lambda: SECRET).verify(answer.text)
    assert identity.user_id == "alice"
    assert 0 < identity.token_expires_at - identity.issued_at <= 15 * 60
    assert answer.headers["cache-control"] == "no-store"


def test_a_generation_that_the_provider_refused_is_reported(
    api: httpx.Client, outside: Outside
) -> None:
    outside.status = 422
    row = submit(api)
    (report,) = outside.reports
    assert (report["generationId"], report["status"]) == (row["id"], "ERROR")
    contract = contracts.contracts()["openapi.yaml"]
    schema = contract["components"]["schemas"]["ErrorReport"]
    Draft202012Validator({**schema, "components": contract["components"]}).validate(report)


def test_a_generation_that_may_run_stays_open(api: httpx.Client, outside: Outside) -> None:
    outside.status = 503
    assert submit(api)["status"] == "PENDING"
    assert outside.reports == []


def test_bad_requests_are_refused_with_the_fields_name(api: httpx.Client) -> None:
    for order in ({**ORDER, "prompt": " "}, {"prompt": "x" * 501}, {**ORDER, "style": 1}):
        answer = api.post("/api/generations", json=order)
        assert answer.status_code == 400
        assert answer.json()["message"].split(":")[0] in ("prompt", "style")
    api.headers.pop("x-user")
    assert api.get("/api/generations").status_code == 401

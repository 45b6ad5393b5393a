"""A stranger follows docs/integrate/ on the applied stack, up to the first event, and beyond."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.ports import free_port
from tests.fakes.application import application
from tests.fakes.serving import listener, port, serving
from tests.stranger.follow import Reader
from tests.stranger.pages import shell
from tests.stranger.picture import develop
from tests.unit.test_docs import DOCUMENTS, blocks
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from local.stack import Stack

pytestmark = pytest.mark.browser

EXAMPLE = ROOT / "examples" / "fastapi-react"
# The stack of the test run is up already.
MAKEFILE = "up:\n\t@test '$(ORIGINS)' = http://localhost:5173\n"
WEBSOCKET_URL = "wss://abc123.execute-api.eu-central-1.amazonaws.com/prod"
IMAGE = "https://images.example/1.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Path:
    """A folder with a checkout of Herald, whose stack is that of the test run."""
    folder = tmp_path_factory.mktemp("stranger")
    checkout = folder / "herald"
    (checkout / "build" / "local").mkdir(parents=True)
    (checkout / "Makefile").write_text(MAKEFILE)
    (checkout / "build" / "local" / "stack.env").symlink_to(stack.env_file)
    for name in ("clients", "herald"):
        (checkout / name).symlink_to(ROOT / name)
    left_out = shutil.ignore_patterns("node_modules", ".venv", ".env*", "__pycache__", "dist")
    shutil.copytree(ROOT / "examples", checkout / "examples", ignore=left_out)
    return folder


@pytest.fixture
def environment(stack: Stack, page_port: int) -> dict[str, str]:
    """Ports that are free, instead of those of the pages; pip and npm save time."""
    api_port = free_port()
    return {
        "NPM_CONFIG_AUDIT": "false",
        "PIP_NO_COMPILE": "1",
        "HERALD_STACK_ENV": str(stack.env_file),
        "PORT": str(page_port),
        "SERVER_URL": f"http://127.0.0.1:{api_port}",
        "UVICORN_PORT": str(api_port),
    }


@pytest.fixture
def _tables(database: Any) -> Iterator[None]:
    """Removes the application's tables from the stack's database."""
    yield
    with database.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.pictures, public.alembic_version")


@pytest.mark.usefixtures("_tables")
def test_the_pages_lead_to_the_first_event(
    folder: Path, environment: dict[str, str], browser: Browser
) -> None:
    started = time.monotonic()
    with Reader(folder, environment) as reader:
        for page in ("fastapi.md", "vite-react.md"):
            reader.follow(DOCUMENTS[f"docs/integrate/{page}"])
        problems = develop(browser, f"http://localhost:{environment['PORT']}")
        assert problems == [], reader.output()
        print(f"The first event arrived after {time.monotonic() - started:.0f} s.")
        reader.follow(DOCUMENTS["docs/integrate/testing.md"])
    (revision,) = (folder / "pictures" / "server" / "migrations" / "versions").glob("*.py")
    upgrade = revision.read_text().partition("def upgrade()")[2].partition("def down")[0]
    operations = re.findall(r"op\.(\w+)\('?(\w*)", upgrade)
    assert operations == [("create_table", "pictures")], "Herald's tables are left alone"


@pytest.mark.usefixtures("_tables")
def test_the_example_runs_as_its_readme_says(
    folder: Path, environment: dict[str, str], browser: Browser
) -> None:
    example = folder / "herald" / "examples" / "fastapi-react"
    page, text = DOCUMENTS["docs/integrate/fastapi.md"], (EXAMPLE / "README.md").read_text()
    install = _install(text)
    assert install.splitlines()[1:] == [
        line.replace("../../herald", "../../..") for line in _install(page).splitlines()[1:]
    ]
    # They were run in the test above, and the packages are the same.
    copied = _copy_environment(folder / "pictures" / "server", example / "server")
    with Reader(example, environment) as reader:
        reader.follow(text, done=install if copied else "")
        check = [".venv/bin/alembic", "check"]
        found = subprocess.run(
            check, cwd=example / "server", capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout + found.stderr
        problems = develop(browser, f"http://localhost:{environment['PORT']}")
        assert problems == [], reader.output()


def _install(page: str) -> str:
    (found,) = (step.text for step in shell(page) if "-m venv" in step.text)
    return found


def _copy_environment(source: Path, target: Path) -> bool:
    """Copy a virtual environment, if it is there, and correct the paths in its scripts."""
    old, new = source / ".venv", target / ".venv"
    if not old.exists():
        return False
    shutil.copytree(old, new, symlinks=True)
    for script in (new / "bin").iterdir():
        if not script.is_symlink():
            script.write_text(script.read_text().replace(str(old), str(new)))
    return True


def test_the_check_of_a_tunnel_is_answered_by_herald_itself(stack_env: dict[str, str]) -> None:
    (command,) = re.findall(r"curl .+", DOCUMENTS["docs/integrate/tunnels.md"])
    api = stack_env["HERALD_CALLBACKS_URL"].split("/execute-api/")[1].split("/")[0]
    path = re.findall(r"https://words\.trycloudflare\.com(\S+)", command)[0].replace("<id>", api)
    for each in (path, path.replace("%24", "$")):  # some proxies decode the path
        answer = httpx.post(
            stack_env["AWS_ENDPOINT_URL"] + each,
            content="{}",
            headers={"host": "words.trycloudflare.com", "x-forwarded-proto": "https"},
            timeout=30,
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "bad_signature")


def test_the_plain_page_shows_progress_results_and_failures(
    browser: Browser, tmp_path: Path
) -> None:
    (page_text,) = blocks(DOCUMENTS["docs/integrate/html.md"], "html")
    (tmp_path / "herald").symlink_to(ROOT)
    (tmp_path / "images").mkdir()
    (commands,) = shell(DOCUMENTS["docs/integrate/html.md"])
    subprocess.run(["sh", "-ec", commands.text], cwd=tmp_path, check=True)
    with application(tmp_path / "images") as site:
        running = site.submit("A <b>lighthouse</b>")
        failure = {"code": "out_of_capacity", "message": "No GPU is free."}
        rows = [
            {"id": running, "prompt": "A <b>lighthouse</b>", "status": "PENDING"},
            {"id": "2", "prompt": "Rain", "status": "ERROR", "error": failure},
        ]
        text = page_text.replace(WEBSOCKET_URL, site.websocket_url)
        routes = [
            Route("/", lambda _: HTMLResponse(text)),
            Route("/api/token", lambda _: PlainTextResponse(site.token())),
            Route("/api/generations", lambda _: JSONResponse(rows)),
            Mount("/", StaticFiles(directory=tmp_path / "static")),
        ]
        pages = listener()
        with serving(Starlette(routes=routes), pages):
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port(pages)}")
            expect(page.locator("#connection")).to_have_text("live")
            items = page.locator("#pictures li")
            expect(items).to_have_text([" A <b>lighthouse</b>", "Rain: No GPU is free."])
            expect(items.first.locator("progress")).to_be_visible()
            site.herald.complete(running, IMAGE)
            expect(items.first.locator("img")).to_have_attribute("src", IMAGE)
            expect(items.first.locator("progress")).to_be_hidden()
            context.close()

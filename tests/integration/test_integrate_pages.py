"""The programs and commands on the pages of docs/integrate/ that no stranger runs."""

from __future__ import annotations

import re
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import yaml
from psycopg2.errors import InsufficientPrivilege

from herald_client import Closed
from tests.integration.clients.python.scripted import REVOKED, Scripted, result, welcome
from tests.stranger.pages import files, shell
from tests.unit.test_docs import DOCUMENTS, ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

TESTING, TUNNELS, DEVICES = (
    DOCUMENTS[f"docs/integrate/{name}.md"] for name in ("testing", "tunnels", "users-and-devices")
)
STACK_ENV = """\
AWS_ENDPOINT_URL=http://127.0.0.1:44833
HERALD_CALLBACKS_URL=http://127.0.0.1:44833/_aws/execute-api/ad5490b7/%24default/callbacks
"""


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "page.md", "exec", dont_inherit=True), names)  # noqa: S102 - our own document
    return names


def test_the_test_of_a_program_passes() -> None:
    shown = {text for _, text in files(TESTING)}
    (program,) = (code for code in blocks(TESTING, "python") if code not in shown)
    names = run(program)
    (test,) = (name for name in names if name.startswith("test_"))
    names[test]()


def test_the_program_follows_a_users_events(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks(DEVICES, "python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERALD_API_KEY", "hk_1_secret")
    with Scripted([welcome(0), result(1), REVOKED]) as server:
        monkeypatch.setenv("HERALD_WEBSOCKET_URL", server.url)
        with pytest.raises(Closed, match="revoked"):
            run(program)
    assert capsys.readouterr().out == "generation-1 COMPLETE\n"
    assert (tmp_path / "position.json").exists()


def test_the_rights_are_enough_for_the_application_and_no_more(fresh_database: str) -> None:
    (grants,) = blocks(DOCUMENTS["docs/integrate/fastapi.md"], "sql")
    role = f"pictures_{uuid.uuid4().hex[:8]}"
    connection = psycopg2.connect(fresh_database)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}")
        cursor.execute(grants.replace("TO pictures", f"TO {role}") + f"SET ROLE {role}")
        cursor.execute(
            "CREATE TABLE pictures (generation_id uuid PRIMARY KEY"
            " REFERENCES herald.generations ON DELETE CASCADE)"
        )
        cursor.execute(
            "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, 'alice', 'rain');"
            "INSERT INTO pictures SELECT id FROM herald.generations;"
            "UPDATE herald.generations SET provider_id = 'p1'",
            (str(uuid.uuid4()),),
        )
        with pytest.raises(InsufficientPrivilege):
            cursor.execute("UPDATE herald.generations SET status = 'COMPLETE'")
    connection.rollback()
    connection.close()


def test_the_job_runs_the_commands_of_the_pages() -> None:
    (text,) = blocks(TESTING, "yaml")
    (job,) = yaml.safe_load(text)["jobs"].values()
    lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    pages = [DOCUMENTS[f"docs/integrate/{name}.md"] for name in ("fastapi", "vite-react")]
    pages.append((ROOT / "examples" / "fastapi-react" / "README.md").read_text())
    known = "\n".join(block.text for page in pages for block in shell(page))
    for line in lines:
        command = re.sub(r"^\(| > server\.log 2>&1 &\)$", "", line)  # of one in the background
        if not command.startswith("npx playwright"):
            assert command in known, command
    assert len(lines) > 8


def test_the_port_is_found_and_the_address_is_replaced(tmp_path: Path) -> None:
    for path in ("herald/build/local/stack.env", "pictures/server/.env"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(STACK_ENV)
    port, replace = (step.text for step in shell(TUNNELS) if "sed " in step.text)
    for _ in range(2):  # a second tunnel replaces the address of the first one
        found = subprocess.check_output(["sh", "-ec", port + replace], cwd=tmp_path, text=True)
        assert found == "44833\n"
    assert (tmp_path / "pictures/server/.env").read_text() == STACK_ENV.replace(
        "HERALD_CALLBACKS_URL=http://127.0.0.1:44833",
        "HERALD_CALLBACKS_URL=https://words.trycloudflare.com",
    )

"""The code on the providers' pages: addresses are computed, rows inserted, and all of it parses."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from chalicelib.providers import registry
from chalicelib.providers.verifiers import capability
from tests.integration.sql import execute
from tests.unit.test_docs import DOCUMENTS, blocks, section

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
GUIDE = DOCUMENTS["docs/providers.md"]
PAGES = {
    name.removeprefix("docs/providers/").removesuffix(".md"): text
    for name, text in DOCUMENTS.items()
    if name.startswith("docs/providers/")
}
TITLES = [
    "Set up",
    "Insert the row",
    "Call the provider",
    "Reports",
    "Limits",
    "Look-ups",
    "Failures",
]
URL = f"https://h.example/callbacks/runpod/{GENERATION}/{capability('k', 'runpod', GENERATION)}"


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    assert found, "`make test-tools` installs Node.js"
    return found


def test_every_provider_has_a_page_with_the_same_sections() -> None:
    assert set(PAGES) == registry.NAMES
    for text in PAGES.values():
        assert re.findall(r"(?m)^## (.+)$", text) == TITLES


def test_the_python_function_computes_the_capability() -> None:
    names: dict[str, Any] = {
        "CAPABILITY_KEY": "k",
        "CALLBACKS_URL": "https://h.example/callbacks",
    }
    exec(blocks(section(GUIDE, "Connect a provider"), "python")[0], names)  # noqa: S102
    assert names["callback_url"]("runpod", GENERATION) == URL


def test_the_node_function_computes_the_capability(node: str, tmp_path: Path) -> None:
    code = blocks(section(GUIDE, "Connect a provider"), "js")[0]
    code += f'console.log(callbackUrl("runpod", "{GENERATION}"));\n'
    code = 'const CAPABILITY_KEY = "k", CALLBACKS_URL = "https://h.example/callbacks";\n' + code
    (tmp_path / "url.mjs").write_text(code)
    assert subprocess.check_output([node, tmp_path / "url.mjs"], text=True).strip() == URL


def test_both_functions_have_ten_lines_at_most() -> None:
    for language in ("python", "js"):
        code = blocks(section(GUIDE, "Connect a provider"), language)[0]
        assert len([line for line in code.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("provider", sorted(PAGES))
def test_the_code_of_a_page_is_well_formed(provider: str, node: str, tmp_path: Path) -> None:
    page = PAGES[provider]
    for code in blocks(page, "python"):
        ast.parse(code)
    for code in blocks(page, "js"):
        (tmp_path / "call.mjs").write_text(code)
        subprocess.run([node, "--check", tmp_path / "call.mjs"], check=True)
    for code in blocks(page, "hcl"):
        assert hcl2.loads(code)


def test_the_rows_can_be_inserted(fresh_database: str) -> None:
    rows = [row for text in (GUIDE, *PAGES.values()) for row in blocks(text, "sql")]
    assert len(rows) == 4
    for row in rows:
        execute(fresh_database, row)
    found = execute(fresh_database, "SELECT provider, provider_id IS NULL FROM herald.generations")
    known = [("leonardo", False), ("replicate", True), ("runway", False), ("stability", False)]
    assert sorted(found) == known


def test_json_in_the_guide_is_valid() -> None:
    for body in blocks(GUIDE, "json"):
        json.loads(body)

"""docs/integrate/: the tables are those of the contracts, and the code is that of the example."""

from __future__ import annotations

import ast
import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.sessions import tokens
from herald_client.server import mint_token
from herald_client.server.tokens import SHORTEST_SECRET
from tests import contracts
from tests.stranger.pages import Commands, File, files, shell, steps
from tests.unit.test_docs import DOCUMENTS, ROOT, blocks, section
from tooling.contracts.markdown import kind, meaning, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "docs/integrate/"
INDEX = DOCUMENTS[f"{FOLDER}README.md"]
NAMES = ("README", "fastapi", "html", "testing", "tunnels", "users-and-devices", "vite-react")
PAGES = {f"{name}.md": DOCUMENTS[f"{FOLDER}{name}.md"] for name in (*NAMES, "nextjs")}
EXAMPLE = ROOT / "examples" / "fastapi-react"
NEXT = ROOT / "examples" / "next"


def described(text: str) -> list[str]:
    """Return the rows of a table whose first column is code."""
    return re.findall(r"(?m)^\| `.+$", text)


def rows(lines: Iterator[tuple[str, ...]]) -> list[str]:
    return table(("",), lines).splitlines()[2:]


def test_the_row_is_that_of_the_contract() -> None:
    schema = contracts.contracts()["row.schema.json"]

    def columns() -> Iterator[tuple[str, ...]]:
        for name, field in schema["properties"].items():
            owner = "Herald" if field.get("readOnly") else "you"
            needed = ", required" if name in schema["required"] else ""
            yield f"`{name}`", kind(field, schema), owner + needed, meaning(field)

    assert described(section(INDEX, "The row")) == rows(columns())


def test_the_webhook_is_that_of_the_contract() -> None:
    schemas = contracts.contracts()["openapi.yaml"]["components"]["schemas"]
    reports = [schemas[f"{name}Report"] for name in ("Running", "Complete", "Error")]
    document = {"components": {"schemas": schemas}}

    def fields() -> Iterator[tuple[str, ...]]:
        found: dict[str, Any] = {}
        for report in reports:
            found |= report["properties"]
        for name, field in found.items():
            within = [report for report in reports if name in report["properties"]]
            statuses = [report["properties"]["status"]["const"] for report in within]
            needed = "required" if all(name in report["required"] for report in within) else ""
            when = "always" if len(within) == len(reports) else ", ".join(statuses)
            shown = {"type": "string", **field, "enum": statuses} if name == "status" else field
            shown.pop("const", None)
            yield f"`{name}`", kind(shown, document), when, needed, meaning(shown)
            inner = {"outputs": "ReportedOutput", "error": "ReportedError"}.get(name)
            for below, each in schemas[inner]["properties"].items() if inner else ():
                needed = "required" if below in schemas[inner].get("required", ()) else ""
                path = f"`{name}[].{below}`" if name == "outputs" else f"`{name}.{below}`"
                yield path, kind(each, document), when, needed, meaning(each)

    assert described(section(INDEX, "The webhook")) == rows(fields())


def test_the_headers_of_the_webhook_are_those_of_the_contract() -> None:
    contract = contracts.contracts()["openapi.yaml"]
    (proof,) = contract["paths"]["/callbacks/generations"]["post"]["security"]
    assert set(proof) <= set(re.findall(r"`([a-z-]+)`", section(INDEX, "The webhook")))


def test_the_claims_are_those_that_herald_requires_and_mint_token_writes() -> None:
    text = section(INDEX, "The token")
    claims = {line.split("`")[1]: line for line in described(text)}
    required = {name for name, line in claims.items() if "| required |" in line}
    assert required == {*tokens._OPTIONS["require"], "alg"}
    minted = mint_token("alice", secret="s" * 32, issuer="shop", audience="herald")
    payload = minted.split(".")[1]
    written = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert set(written) == required - {"alg"}
    assert set(claims) - required == {"nbf", "kid"}
    assert f"{MAX_USER_CHARACTERS} characters" in claims["sub"]
    assert f"{tokens.LONGEST_SECONDS // 3600} hours" in claims["exp"]
    assert f"{tokens.LEEWAY_SECONDS} seconds" in text
    assert f"{tokens.SHORTEST_SECRET_BYTES} bytes" in " ".join(text.split())
    assert tokens.SHORTEST_SECRET_BYTES == SHORTEST_SECRET
    assert set(tokens._ALGORITHMS) <= set(re.findall(r"\w+256", claims["alg"]))


@pytest.mark.parametrize("page", PAGES)
def test_a_file_on_a_page_is_that_of_the_example(page: str) -> None:
    example = NEXT if page == "nextjs.md" else EXAMPLE
    for path, text in files(PAGES[page]):
        assert (example / path).read_text() == text, f"{page}: {path} differs from the example"


@pytest.mark.parametrize("example", [EXAMPLE, NEXT])
def test_the_pages_show_every_file_of_an_example_that_has_to_do_with_herald(example: Path) -> None:
    shown = {path for text in PAGES.values() for path, _ in files(text)}
    for path in example.rglob("*"):
        name = str(path.relative_to(example))
        inner = {"node_modules", ".venv", "versions", ".next"} & set(path.parts)
        stand_in = path.stem in ("stand_in", "stand-in")
        if path.suffix not in (".py", ".ts", ".tsx") or inner or stand_in:
            continue
        if re.search("herald-events|herald_client|webhook", path.read_text()):
            assert name in shown, name


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_is_well_formed(page: str) -> None:
    for code in blocks(PAGES[page], "python"):
        ast.parse(code)
    for body in blocks(PAGES[page], "json"):
        json.loads(body)


def test_the_commands_of_the_example_are_those_of_the_pages() -> None:
    commands = "\n".join(block.text for block in shell((EXAMPLE / "README.md").read_text()))
    assert "uvicorn main:app" in commands
    assert "npm run dev" in commands


def test_a_page_is_read_in_its_order() -> None:
    page = (
        "Save `a/b.py`:\n\n```python\none\n```\n\nReplace its `env.py`:\n\n```sh\ntwo\n```\n\n"
        "Start it in a second terminal:\n\n```sh\nthree\n```\n\n```json\n{}\n```\n"
    )
    assert list(steps(page)) == [
        File("a/b.py", "one\n"),
        Commands("two\n", server=False),
        Commands("three\n", server=True),
    ]

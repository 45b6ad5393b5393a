"""Style rules for the HCL, which Terraform itself does not check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import hcl2
import pytest

from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.infra

INFRA = ROOT / "infra"
FILES = sorted(path for path in INFRA.rglob("*.tf") if ".terraform" not in path.parts)
MODULES = sorted(path for path in (INFRA / "modules").iterdir() if path.is_dir())
HANDLERS = [
    "authorize",
    "callback",
    "connect",
    "deliver",
    "disconnect",
    "keep",
    "link",
    "message",
    "reconcile",
    "relay",
]

# Only these files may have the resource "*", because AWS requires it. Their comments say why.
WILDCARDS = {
    "modules/function/policies.tf",
    "modules/keys/policies.tf",
    "modules/outputs/bucket.tf",  # CORS
    "modules/outputs/policies.tf",
}


def parsed(path: Path) -> dict[str, Any]:
    with path.open() as file:
        return hcl2.load(file)


def blocks(path: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name (its last label) and content of each block of a kind."""
    for block in parsed(path).get(kind, []):
        for label, content in block.items():
            if label.startswith("__"):
                continue
            if kind in ("resource", "data"):
                for name, attributes in content.items():
                    if not name.startswith("__"):
                        yield name.strip('"'), attributes
            else:
                yield label.strip('"'), content


def relative(path: Path) -> str:
    return str(path.relative_to(INFRA))


def test_something_is_checked() -> None:
    assert len(FILES) > 30
    assert [name for name, _ in blocks(INFRA / "relay.tf", "module")] == ["relay"]
    assert [name for name, _ in blocks(INFRA / "relay.tf", "data")] == ["relay"]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_variables_and_outputs_are_described(path: Path) -> None:
    for name, variable in blocks(path, "variable"):
        assert variable.get("type"), f"variable {name} has no type"
        assert sentence(variable), f"variable {name} needs a description that ends with a full stop"
    for name, output in blocks(path, "output"):
        assert sentence(output), f"output {name} needs a description that ends with a full stop"


def sentence(block: dict[str, Any]) -> bool:
    return str(block.get("description", "")).strip('"').endswith(".")


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_names_are_snake_case(path: Path) -> None:
    names = [
        name
        for kind in ("variable", "output", "resource", "data", "module")
        for name, _ in blocks(path, kind)
    ]
    names += [name for block in parsed(path).get("locals", []) for name in block]
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9_]*|__\w+__", name), f"{name} is not snake_case"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name == "outputs.tf"], ids=relative
)
def test_outputs_are_in_order(path: Path) -> None:
    names = [name for name, _ in blocks(path, "output")]
    assert names == sorted(names)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES, ids=relative)
def test_modules_look_alike(module: Path) -> None:
    for name in ("README.md", "main.tf", "outputs.tf", "terraform.tf", "variables.tf"):
        assert (module / name).is_file(), f"{module.name} has no {name}"
    assert list(module.glob("tests/*.tftest.hcl")), f"{module.name} has no tests"
    # All modules require the same versions of Terraform and the provider.
    assert (module / "terraform.tf").read_text() == (INFRA / "terraform.tf").read_text()


@pytest.mark.parametrize("handler", HANDLERS)
def test_one_file_shows_one_function(handler: str) -> None:
    path = INFRA / f"{handler}.tf"
    assert [name for name, _ in blocks(path, "data")] == [handler]
    assert [name for name, _ in blocks(path, "module")] == [handler]
    assert not parsed(path).get("resource")


# A deployment is a copy of the API. These attributes are not part of the copy, or they change only
# together with other attributes.
NOT_DEPLOYED = {"api_id", "description", "for_each", "name", "route_id"}


@pytest.mark.parametrize("kind", ["api", "authorizer", "integration", "route", "route_response"])
def test_every_setting_of_the_websocket_api_is_deployed_when_it_changes(kind: str) -> None:
    path = INFRA / "modules" / "websocket" / "main.tf"
    resources = {
        name.strip('"'): attributes
        for block in parsed(path)["resource"]
        for label, content in block.items()
        if label == f'"aws_apigatewayv2_{kind}"'
        for name, attributes in content.items()
    }
    assert "this" in resources
    hashed = path.read_text().split("triggers = {")[1].split("lifecycle")[0]
    for resource, attributes in resources.items():
        named = {name for name in attributes if not name.startswith("__")}
        iterated = f"|{kind}" if resource == "this" else ""
        pattern = rf"\b(?:aws_apigatewayv2_{kind}\.{resource}{iterated})\.(\w+)"
        assert set(re.findall(pattern, hashed)) == named - NOT_DEPLOYED, resource


def test_policies_are_documents() -> None:
    heredocs = [relative(path) for path in FILES if re.search(r"<<-?\w+", path.read_text())]
    assert heredocs == []


def test_wildcards_are_where_aws_demands_them() -> None:
    found = {relative(path) for path in FILES if '["*"]' in without_principals(path.read_text())}
    assert found == WILDCARDS


def without_principals(text: str) -> str:
    return re.sub(r'identifiers\s*=\s*\["\*"\]', "", text)


def test_nothing_knows_of_an_emulator() -> None:
    pattern = re.compile(r"emulator|ministack|moto\b|localstack|127\.0\.0\.1", re.IGNORECASE)
    assert [relative(path) for path in FILES if pattern.search(path.read_text())] == []

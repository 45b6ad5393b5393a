"""The JavaScript client's types are those of the contract."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests import contracts
from tests.unit.clients import typescript
from tooling import environments

HERE = Path(__file__).parent
CLIENT = HERE.parents[2] / "clients" / "js"
TYPES = {name: (CLIENT / name).read_text() for name in ("types.d.ts", "internal.d.ts")}
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "target": "es2022",
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "lib": ["es2022", "dom"],
    "types": [],
}
# Differences of the client's types, and the check in compare.ts that finds each of them.
PLANTED = {
    "a field that is never null": ("imageUrl: string | null;", "imageUrl: string;", "generation"),
    "another type": ("ping_ms: number;", "ping_ms: string;", "frame"),
    "a value that is missing": ('"audio" | ', "", "output"),
    "a field of a frame that is not sent": (
        "replaying: number;",
        "replaying: number; replayed?: number;",
        "Fields",
    ),
    "a field of an output that is not sent": (
        "safe: boolean | null;",
        "safe: boolean | null; hash?: string;",
        "Outputs",
    ),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The failed checks, by the difference that was planted; "" is the client as it is."""
    root = tmp_path_factory.mktemp("types")
    declared = typescript.declarations(contracts.contracts()["asyncapi.yaml"])
    for number, (old, new, _) in enumerate([("", "", ""), *PLANTED.values()]):
        folder = root / str(number)
        folder.mkdir()
        shutil.copy(HERE / "compare.ts", folder)
        (folder / "contract.ts").write_text(declared)
        assert any(old in text for text in TYPES.values()), f"no {old!r}: plant another difference"
        for name, text in TYPES.items():
            (folder / name).write_text(text.replace(old, new, 1))
    (root / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS}))
    (root / "package.json").write_text('{"type": "module"}')
    node = environments.find_node()
    assert node, "Node.js 20 or newer was not found: install it, or run `make test` as root"
    tsc = environments.ensure_node_packages() / "typescript" / "bin" / "tsc"
    run = subprocess.run(
        [str(node), str(tsc), "--project", str(root), "--pretty", "false"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    names = ["", *PLANTED]
    lines = (HERE / "compare.ts").read_text().splitlines()
    found: dict[str, set[str]] = defaultdict(set)
    for line in run.stdout.splitlines():
        if place := re.match(r"(\d+)/compare\.ts\((\d+),", line):
            checked = re.match(r"export (?:const|type) (\w+)", lines[int(place[2]) - 1])
            found[names[int(place[1])]].add(checked[1] if checked else line)
        else:
            assert line.startswith(" "), line  # details of the error above
    return found


def test_the_clients_types_are_those_of_the_contract(errors: dict[str, set[str]]) -> None:
    assert errors[""] == set()


@pytest.mark.parametrize("difference", PLANTED)
def test_a_difference_is_found(errors: dict[str, set[str]], difference: str) -> None:
    assert PLANTED[difference][2] in errors[difference]

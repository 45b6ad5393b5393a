"""Generates the JavaScript client's type declarations from its JSDoc comments.

The declarations are committed, because an application may install the client from a checkout, and
that runs no build. A test compares them with the code.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tooling import ROOT, SetupError
from tooling.environments import ensure_node_packages, ensure_program, find_node

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENT = ROOT / "clients" / "js"
COMMITTED = CLIENT / "declarations"
# The modules that applications import; the declarations of all others stay internal.
ENTRY_POINTS = ("herald", "react", "tabs", "testing")
_INDEX = 'export { Herald } from "./herald.js";\nexport type * from "../types.js";\n'


def tsc(*arguments: str) -> str:
    """Run the TypeScript compiler and return its output.

    Raises
    ------
    SetupError
        Node.js or npm is missing, or the compiler finds an error.
    """
    node = ensure_program("nodejs", find_node)
    script = ensure_node_packages() / "typescript" / "bin" / "tsc"
    run = subprocess.run(
        [str(node), str(script), *arguments],
        cwd=CLIENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if run.returncode != 0:
        raise SetupError(f"tsc {' '.join(arguments)} failed:\n{run.stdout}{run.stderr}")
    return run.stdout


def generate() -> dict[str, str]:
    """Return the declarations by file name; raises SetupError like `tsc`."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly"]
        tsc("--project", str(CLIENT), *options, "--outDir", folder)
        texts = {f"{name}.d.ts": (Path(folder) / f"{name}.d.ts") for name in ENTRY_POINTS}
        declared = {name: _tidy(path.read_text()) for name, path in texts.items()}
    return {"index.d.ts": _INDEX, **declared}


def _tidy(text: str) -> str:
    """Put the imports first, one for each module, and let the public types be where they are."""
    imports: dict[str, set[str]] = {}
    found = re.compile(r"^import type \{ (\w+) \} from '([^']+)';\n", re.MULTILINE)
    for name, module in found.findall(text):
        imports.setdefault(module.replace("./types.js", "../types.js"), set()).add(name)
    lines = [
        f'import type {{ {", ".join(sorted(names))} }} from "{module}";\n'
        for module, names in sorted(imports.items())
    ]
    return "".join([*lines, "\n", found.sub("", text)])


def main(arguments: Sequence[str]) -> int:
    """Write the declarations, or with --check only check the types in the comments."""
    try:
        if "--check" in arguments:
            tsc("--project", str(CLIENT))
            return 0
        COMMITTED.mkdir(exist_ok=True)
        for name, text in generate().items():
            (COMMITTED / name).write_text(text)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The npm package of the JavaScript client: types, declarations, examples, size and contents."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from tooling import ROOT, declarations
from tooling.environments import ensure_node_packages, ensure_program, find_node, find_npm

CLIENT = declarations.CLIENT
README = (CLIENT / "README.md").read_text()
_FENCE = re.compile(r"(?ms)^ *```(ts|tsx)\n(.*?)^ *```")
# The most that a module may weigh in bytes: bundled, minified by SWC as Next.js does, and
# compressed with gzip.
SIZES = {"herald": 6_500, "react": 2_000, "tabs": 2_000}
_MINIFY = """
  const { minifySync } = require("@swc/core");
  const source = require("node:fs").readFileSync(0, "utf8");
  process.stdout.write(minifySync(source, { module: true, compress: true, mangle: true }).code);
"""


def run(*command: str | Path, cwd: Path = CLIENT, stdin: str | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bundled(entry: Path, *options: str) -> str:
    """Return a module with everything that it imports."""
    packages = ensure_node_packages()
    esbuild = packages / "esbuild" / "bin" / "esbuild"
    return run(esbuild, entry, "--bundle", "--target=es2022", *options)


def test_the_declarations_are_those_of_the_code() -> None:
    committed = {path.name: path.read_text() for path in declarations.COMMITTED.iterdir()}
    assert committed == declarations.generate(), "run `make declarations`"


def test_the_declarations_name_no_internal_module() -> None:
    for path in declarations.COMMITTED.iterdir():
        modules = set(re.findall(r'(?:from|import\()\s*["\']([^"\']+)', path.read_text()))
        assert modules <= {"./herald.js", "../types.js", "react"}, path


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application that has installed the package as its README says, and React."""
    folder = tmp_path_factory.mktemp("application")
    (folder / "package.json").write_text('{"type": "module"}')
    (command,) = re.findall(r"(?m)^npm (install .*) \.\./herald/clients/js$", README)
    npm = ensure_program("npm", find_npm)
    run(npm, *command.split(), str(CLIENT), "--offline", "--no-audit", "--no-fund", cwd=folder)
    for name in ("react", "@types"):
        (folder / "node_modules" / name).symlink_to(ensure_node_packages() / name)
    return folder


def test_every_example_compiles_and_types_narrow(application: Path) -> None:
    examples = _FENCE.findall(README)
    assert {language for language, _ in examples} == {"ts", "tsx"}
    for page in ("testing", "users-and-devices"):
        found = _FENCE.findall((ROOT / "docs" / "integrate" / f"{page}.md").read_text())
        assert found
        examples += [(language, textwrap.dedent(text)) for language, text in found]
    for number, (language, text) in enumerate(examples):
        (application / f"example{number}.{language}").write_text(text + "\nexport {};\n")
    shutil.copy(Path(__file__).with_name("narrowing.ts"), application)
    options = {"strict": True, "noEmit": True, "target": "es2022", "module": "nodenext"}
    options |= {"lib": ["es2022", "dom"], "jsx": "react-jsx", "types": []}
    (application / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    declarations.tsc("--project", str(application))


def test_every_entry_point_loads(application: Path) -> None:
    script = """
      import { Herald } from "herald-events";
      import { HeraldProvider } from "herald-events/react";
      import { SharedWebSocket } from "herald-events/tabs";
      import { FakeHerald } from "herald-events/testing";
      const fake = new FakeHerald();
      const herald = new Herald({ ...fake.options, load: () => [{ id: "1" }] });
      herald.connect();
      await fake.complete("1");
      console.log(herald.generation("1").status, typeof HeraldProvider, typeof SharedWebSocket);
      herald.dispose();
    """
    node = ensure_program("nodejs", find_node)
    output = run(node, "--input-type=module", "--eval", script, cwd=application)
    assert output == "COMPLETE function function\n"


def test_the_package_has_what_applications_need_and_nothing_internal(application: Path) -> None:
    package = application / "node_modules" / "herald-events"
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert {"LICENSE", "README.md", "types.d.ts", "declarations/index.d.ts"} <= files
    assert {path for path in files if path == "internal.d.ts" or path.startswith("tests/")} == set()


@pytest.mark.parametrize("module", SIZES)
def test_a_module_is_small(module: str) -> None:
    code = bundled(CLIENT / f"{module}.js", "--format=esm", "--external:react")
    node = ensure_program("nodejs", find_node)
    minified = run(node, "--eval", _MINIFY, cwd=ensure_node_packages(), stdin=code)
    assert len(gzip.compress(minified.encode(), 9, mtime=0)) <= SIZES[module]


def test_a_server_renders_the_hooks_without_connecting(tmp_path: Path) -> None:
    packages = ensure_node_packages()
    aliases = [f"--alias:{name}={packages / name}" for name in ("react", "react-dom")]
    page = Path(__file__).with_name("rendering.js")
    (tmp_path / "bundle.cjs").write_text(bundled(page, "--platform=node", *aliases))
    output = run(ensure_program("nodejs", find_node), tmp_path / "bundle.cjs", cwd=tmp_path)
    assert html.unescape(output) == '["closed",[],null]\n'

"""The npm package of the JavaScript client: types, declarations, examples, size and contents."""

from __future__ import annotations

import gzip
import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from tooling import declarations
from tooling.environments import ensure_node_packages, ensure_program, find_node, find_npm

CLIENT = declarations.CLIENT
_FENCE = re.compile(r"(?ms)^```(ts|tsx)\n(.*?)^```")
# The most that a module may weigh in bytes: bundled, minified and compressed with gzip.
SIZES = {"herald": 9_900, "react": 2_000, "tabs": 2_000}


def run(*command: str | Path, cwd: Path = CLIENT) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
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


def test_every_example_compiles(tmp_path: Path) -> None:
    examples = _FENCE.findall((CLIENT / "README.md").read_text())
    assert {language for language, _ in examples} == {"ts", "tsx"}
    for number, (language, text) in enumerate(examples):
        (tmp_path / f"example{number}.{language}").write_text(text + "\nexport {};\n")
    types = ensure_node_packages() / "@types"
    modules = {
        "herald-events": "index",
        **{f"herald-events/{n}": n for n in SIZES if n != "herald"},
    }
    modules["herald-events/testing"] = "testing"
    paths = {name: [str(declarations.COMMITTED / f"{file}.d.ts")] for name, file in modules.items()}
    paths |= {"react": [str(types / "react")], "react/*": [str(types / "react" / "*")]}
    options = {"strict": True, "noEmit": True, "target": "es2022", "module": "esnext"}
    options |= {"moduleResolution": "bundler", "lib": ["es2022", "dom"], "jsx": "react-jsx"}
    config = {"compilerOptions": {**options, "types": [], "paths": paths}, "include": ["*"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    declarations.tsc("--project", str(tmp_path))


@pytest.mark.parametrize("module", SIZES)
def test_a_module_is_small(module: str) -> None:
    code = bundled(CLIENT / f"{module}.js", "--minify", "--format=esm", "--external:react")
    assert len(gzip.compress(code.encode(), 9, mtime=0)) <= SIZES[module]


def test_the_package_installs_and_its_entry_points_load(tmp_path: Path) -> None:
    node, npm = ensure_program("nodejs", find_node), ensure_program("npm", find_npm)
    packed = json.loads(run(npm, "pack", "--json", "--pack-destination", tmp_path))[0]
    files = {each["path"] for each in packed["files"]}
    assert {"LICENSE", "README.md", "types.d.ts", "declarations/index.d.ts"} <= files
    internal = {path for path in files if path == "internal.d.ts" or path.startswith("tests/")}
    assert internal == set()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run(
        npm,
        "install",
        "--offline",
        "--no-audit",
        "--no-fund",
        f"./{packed['filename']}",
        cwd=tmp_path,
    )
    script = """
      import { Herald } from "herald-events";
      import { FakeHerald } from "herald-events/testing";
      import { SharedWebSocket } from "herald-events/tabs";
      const fake = new FakeHerald();
      const herald = new Herald({ ...fake.options, load: () => [{ id: "1" }] });
      herald.connect();
      await fake.complete("1");
      console.log(herald.generation("1").status, typeof SharedWebSocket);
      herald.dispose();
    """
    output = run(node, "--input-type=module", "--eval", script, cwd=tmp_path)
    assert output == "COMPLETE function\n"


def test_a_server_renders_the_hooks_without_connecting(tmp_path: Path) -> None:
    packages = ensure_node_packages()
    aliases = [f"--alias:{name}={packages / name}" for name in ("react", "react-dom")]
    page = Path(__file__).with_name("rendering.js")
    (tmp_path / "bundle.cjs").write_text(bundled(page, "--platform=node", *aliases))
    output = run(ensure_program("nodejs", find_node), tmp_path / "bundle.cjs", cwd=tmp_path)
    assert html.unescape(output) == '["closed",[],null]\n'

"""The launcher `./herald` works from any directory and through symbolic links, and returns the
right exit code.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tooling import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the launcher, an up-to-date environment, and a cli that prints its arguments
    and environment.
    """
    root = tmp_path / "a checkout"
    (root / "cli").mkdir(parents=True)
    (root / "requirements").mkdir()
    (root / "requirements" / "stack.txt").touch()
    os.utime(root / "requirements" / "stack.txt", (0, 0))
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / ".stamp").touch()
    python = root / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "herald", root / "herald")
    (root / "cli" / "__init__.py").touch()
    (root / "cli" / "__main__.py").write_text(
        "import os, sys\nprint(__file__, os.getcwd(), *sys.argv[1:], sep='|')\nsys.exit(7)\n"
    )
    return root


def called(program: Path | str, *words: str, directory: Path) -> tuple[int, list[str]]:
    result = subprocess.run(
        [str(program), *words], cwd=directory, capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    return result.returncode, result.stdout.rstrip("\n").split("|")


def test_the_directory_and_the_arguments_are_the_callers(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cli").mkdir(parents=True)
    (elsewhere / "cli" / "__main__.py").write_text("print('not ours')")

    code, (file, directory, *words) = called(
        checkout / "herald", "dlq", "--user", "a b", "", directory=elsewhere
    )

    assert code == 7
    assert file == str(checkout / "cli" / "__main__.py")
    assert (directory, words) == (str(elsewhere), ["dlq", "--user", "a b", ""])


def test_links_lead_to_the_checkout(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "absolute").symlink_to(checkout / "herald")
    (elsewhere / "relative").symlink_to("../a checkout/herald")
    (elsewhere / "twice").symlink_to("relative")
    for name in ("absolute", "relative", "twice"):
        assert called(f"./{name}", directory=elsewhere)[0] == 7
    assert called("./herald", directory=checkout)[0] == 7


def test_a_stale_environment_is_made_first_with_its_output_on_stderr(checkout: Path) -> None:
    (checkout / "tooling").mkdir()
    setup = checkout / "tooling" / "setup.sh"
    setup.write_text('#!/bin/sh\necho "making $*"\n')
    setup.chmod(0o755)
    os.utime(checkout / ".venv" / ".stamp", (0, 0))
    os.utime(checkout / "requirements" / "stack.txt")

    result = subprocess.run([checkout / "herald", "x"], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (7, "making stack\n")
    assert result.stdout.endswith("|x\n")


def test_ctrl_c_exits_with_130_and_no_traceback() -> None:
    code = (
        "import os, signal, time, typer\n"
        "from cli.app import Herald\n"
        "app = typer.Typer(cls=Herald)\n"
        "@app.command()\n"
        "def wait():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "@app.command()\n"
        "def other(): ...\n"
        "app(['wait'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (result.returncode, result.stdout) == (130, "")
    assert "Traceback" not in result.stderr

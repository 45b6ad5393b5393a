"""tooling/setup.sh: which installed Python it uses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import hcl2
import pytest

from tooling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# Claims another version, and prints its arguments.
FAKE = """\
#!/bin/sh
if [ "$1" = -c ]; then
  exec {python} -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"
fi
echo "$(basename "$0")" "$@"
"""


def setup(
    machine: Path, pythons: dict[str, tuple[int, int]], base: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run setup.sh on a machine that has only these Pythons."""
    for name in ("basename", "dirname"):
        found = shutil.which(name)
        assert found
        (machine / name).symlink_to(found)
    for name, version in pythons.items():
        (machine / name).write_text(FAKE.format(python=sys.executable, version=(*version, 0)))
        (machine / name).chmod(0o755)
    environment = {"PATH": str(machine)} | ({"BASE_PYTHON": base} if base else {})
    return subprocess.run(
        ["/bin/sh", str(ROOT / "tooling" / "setup.sh"), "dev"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3.11": (3, 11), "python3.12": (3, 12), "python3.13": (3, 13)}, "python3.13"),
        ({"python3.11": (3, 11), "python3.14": (3, 14), "python3": (3, 14)}, "python3.11"),
        ({"python3": (3, 12)}, "python3"),
        ({"python3": (3, 9), "python": (3, 11)}, "python"),
    ],
)
def test_the_newest_python_that_can_be_deployed_is_used(
    tmp_path: Path, pythons: dict[str, tuple[int, int]], taken: str
) -> None:
    result = setup(tmp_path, pythons)
    assert result.stdout == f"{taken} -m tooling.environments dev\n", result.stderr


def test_a_named_python_is_taken(tmp_path: Path) -> None:
    pythons = {"python3.11": (3, 11), "python3.13": (3, 13)}
    assert setup(tmp_path, pythons, "python3.11").stdout.startswith("python3.11 ")


@pytest.mark.parametrize("base", [None, "python3"])
def test_a_python_that_is_too_new_is_named(tmp_path: Path, base: str | None) -> None:
    result = setup(tmp_path, {"python3": (3, 14)}, base)
    assert (result.returncode, result.stdout) == (1, "")
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert "Python 3.14 is not a Lambda runtime" in result.stderr


def test_without_a_suitable_python_the_error_says_what_to_install(tmp_path: Path) -> None:
    result = setup(tmp_path, {})
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert "no runtime" not in result.stderr


def test_terraform_accepts_what_setup_takes() -> None:
    script = (ROOT / "tooling" / "setup.sh").read_text()
    supported = script.split('SUPPORTED="')[1].split('"')[0].split()
    variables = hcl2.loads((ROOT / "infra" / "variables.tf").read_text())["variable"]
    [runtime] = [block['"lambda_runtime"'] for block in variables if '"lambda_runtime"' in block]
    names = ", ".join(f'"python{version}"' for version in reversed(supported))
    assert f"[{names}]" in runtime["validation"][0]["condition"]
    assert runtime["default"] == f'"python{supported[0]}"'

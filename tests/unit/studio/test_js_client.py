"""The JavaScript client's own tests, run by Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[3] / "clients" / "js"


def test_the_javascript_client_passes_its_own_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: install Node 20 or newer to test clients/js")
    run = subprocess.run(
        [node, "--test", "--test-reporter=spec"],
        cwd=CLIENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "pass 0" not in run.stdout, "node found no test in clients/js"

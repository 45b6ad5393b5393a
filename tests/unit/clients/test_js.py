"""The JavaScript client's own tests, run by Node."""

import subprocess
from pathlib import Path

from tooling.environments import find_node

CLIENT = Path(__file__).parents[3] / "clients" / "js"


def test_the_javascript_client_passes_its_own_tests() -> None:
    node = find_node()
    assert node, "Node.js 20 or newer was not found: install it, or run `make test` as root"
    run = subprocess.run(
        [str(node), "--test", "--test-reporter=spec"],
        cwd=CLIENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "pass 0" not in run.stdout, "node found no test in clients/js"

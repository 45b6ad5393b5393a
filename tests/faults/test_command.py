"""`python -m tests.faults`, the command of `make faults`."""

from __future__ import annotations

import subprocess
import sys

from tooling import ROOT


def test_the_command_starts_pytest_with_the_suite() -> None:
    command = [sys.executable, "-m", "tests.faults", "--seed", "1", "--", "--collect-only"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "test_history.py" in result.stdout, result.stderr
    assert "tests collected" in result.stdout
    assert "The long run did not finish." in result.stdout + result.stderr

"""Runs all tests except the rehearsal, in two groups at the same time: `python -m tests`.

The tests of the first group run with a low priority, because the others have deadlines. Their
output is shown at the end.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

APART = ("tests/unit", "tests/integration")  # they need neither the stack nor Terraform
GRACE_SECONDS = 60.0  # for a group that was interrupted, to stop what it has started


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def main() -> int:
    others = [argument for path in (*APART, "tests/rehearsal") for argument in ("--ignore", path)]
    with tempfile.TemporaryFile(mode="w+") as output, contextlib.ExitStack() as running:
        apart = subprocess.Popen(
            ["nice", "-n", "10", *pytest(*APART)], stdout=output, stderr=subprocess.STDOUT
        )
        running.callback(stop, apart)
        together = subprocess.Popen(pytest("tests", *others))
        running.callback(stop, together)
        signal.signal(signal.SIGTERM, interrupt)
        codes = [together.wait()]
        print(f"→ {' and '.join(APART)}, which run at the same time", flush=True)
        codes.append(apart.wait())
        output.seek(0)
        sys.stdout.writelines(output)
    return max(codes)


def stop(group: subprocess.Popen[bytes]) -> None:
    """Interrupt a group that is still running."""
    if group.poll() is None:
        group.terminate()
        try:
            group.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            group.kill()


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

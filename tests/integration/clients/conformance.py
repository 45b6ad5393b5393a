"""The drivers of Herald's own clients, for the tests of the conformance suite."""

from __future__ import annotations

import sys
from pathlib import Path

from tooling.environments import ensure_node_packages, ensure_program, find_node

CLIENTS = Path(__file__).parents[3] / "clients"
DRIVERS = CLIENTS / "conformance" / "drivers"


def driver(client: str, folder: Path | None = None) -> list[str]:
    """The command of the driver for a client, or for a changed copy of it in a folder."""
    if client == "python":
        source = folder or CLIENTS / "python"
        return [sys.executable, str(DRIVERS / "python_driver.py"), str(source)]
    node = ensure_program("nodejs", find_node)
    program = [str(node), str(DRIVERS / "js_driver.mjs")]
    return [*program, str(folder or CLIENTS / "js"), str(ensure_node_packages())]

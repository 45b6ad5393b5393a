"""The bill's quantities of a connection match the constants of the JavaScript client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.cost import quantities

CLIENT = Path(__file__).parents[3] / "clients" / "js"


def constant(file: str, name: str) -> float:
    """Return a number that a module of the client defines."""
    [value] = re.findall(rf"(?m)^const {name} = ([\d._]+);", (CLIENT / file).read_text())
    return float(value.replace("_", ""))


@pytest.mark.parametrize(
    ("file", "name", "counted"),
    [
        ("keepalive.js", "SPREAD", quantities.KEEPALIVE.spread),
        ("connection.js", "ROTATION_SPREAD", quantities.CONNECTION_SPREAD),
        ("keepalive.js", "MARGIN_MS", quantities.KEEPALIVE.margin_seconds * 1000),
        ("renewal.js", "AT", quantities.RENEWAL.at_share),
        ("renewal.js", "BEFORE_MS", quantities.RENEWAL.before_minutes * 60_000),
    ],
)
def test_the_bill_counts_what_the_client_does(file: str, name: str, counted: float) -> None:
    assert constant(file, name) == counted

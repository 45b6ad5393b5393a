"""The bill's quantities of a connection match the constants of the clients."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.cost import quantities

CLIENTS = Path(__file__).parents[3] / "clients"


def constant(file: str, name: str) -> float:
    """Return a number that a module of a client defines."""
    text = (CLIENTS / file).read_text()
    [value] = re.findall(rf"(?m)^(?:export const )?{name} = ([\d._]+)\b", text)
    return float(value.replace("_", ""))


@pytest.mark.parametrize(
    ("file", "name", "counted"),
    [
        ("js/constants.js", "KEEPALIVE_SPREAD", quantities.KEEPALIVE.spread),
        ("js/constants.js", "ROTATION_SPREAD", quantities.CONNECTION_SPREAD),
        ("js/constants.js", "MARGIN_MS", quantities.KEEPALIVE.margin_seconds * 1000),
        ("js/constants.js", "RENEW_AT", quantities.RENEWAL.at_share),
        ("js/constants.js", "RENEW_BEFORE_MS", quantities.RENEWAL.before_minutes * 60_000),
        ("python/herald_client/keepalive.py", "_SPREAD", quantities.KEEPALIVE.spread),
        ("python/herald_client/connection.py", "_ROTATION_SPREAD", quantities.CONNECTION_SPREAD),
        ("python/herald_client/renewal.py", "_AT", quantities.RENEWAL.at_share),
        (
            "python/herald_client/renewal.py",
            "_BEFORE_SECONDS",
            quantities.RENEWAL.before_minutes * 60,
        ),
    ],
)
def test_the_bill_counts_what_the_client_does(file: str, name: str, counted: float) -> None:
    assert constant(file, name) == counted

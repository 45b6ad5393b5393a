"""The environments: their pins, and the error without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tooling import ROOT, SetupError
from tooling.environments import Unreachable, explained

ERROR = SetupError("`python -m pip install` failed (1).")
LOG = Path("build/logs/setup-stack.log")


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE))


def test_the_environment_for_development_has_all_of_the_stacks_packages() -> None:
    stack, dev = pins("stack"), pins("dev")
    assert stack
    assert {name: dev.get(name) for name in stack} == stack


def test_the_stack_needs_no_tool_of_developers() -> None:
    assert not {"mypy", "moto", "playwright", "pytest", "ruff", "hypothesis"} & set(pins("stack"))


@pytest.mark.parametrize(
    "said",
    [
        "WARNING: Retrying (Retry(total=4)): Failed to establish a new connection: /simple/uv/",
        "ERROR: [Errno -3] Temporary failure in name resolution",
        "ERROR: Could not install: HTTPConnectionPool: [Errno 111] Connection refused",
        "OSError('Tunnel connection failed'): Cannot connect to proxy.",
    ],
)
def test_without_a_network_a_sentence_says_what_to_do(said: str) -> None:
    found = explained(ERROR, said, LOG)
    assert isinstance(found, Unreachable)
    assert "Connect this machine to the network" in str(found)
    assert str(LOG) in str(found)


def test_another_error_of_pip_is_shown_as_it_is() -> None:
    assert explained(ERROR, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", LOG) is ERROR

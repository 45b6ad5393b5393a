"""`./herald doctor`: origins and clocks."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from cli.doctor import origins, run

NOW = 1_790_000_000.0
ALLOWED = {"https://app.example.com", "http://localhost:5173"}


def test_an_allowed_origin_is_fine() -> None:
    assert origins.check("http://LOCALHOST:5173", ALLOWED, local=True).healthy


def test_another_port_is_another_origin_and_the_fix_is_a_command() -> None:
    found = origins.check("http://localhost:5174", ALLOWED, local=True)
    assert "http://localhost:5173, https://app.example.com" in found.what
    assert found.fix == "Run `make up ORIGINS=http://localhost:5174`."


def test_on_a_stage_the_fix_is_in_the_tfvars() -> None:
    assert "allowed_origins" in origins.check("https://b.example", ALLOWED, local=False).fix


@pytest.mark.parametrize("origin", ["localhost:5173", "http://localhost:5173/", "*", "http://ü.de"])
def test_what_is_not_an_origin_says_how_to_write_one(origin: str) -> None:
    found = origins.check(origin, ALLOWED, local=True)
    assert "is not an origin" in found.what
    assert "http://localhost:5173" in found.fix


@pytest.mark.parametrize(
    ("skew", "what", "fix"),
    [
        (60, "60 s ahead of", "refuses tokens that"),
        (-60, "60 s behind", "refuses tokens that"),
        (400, "400 s ahead of", "tokens and webhooks"),
    ],
)
def test_a_skewed_clock_is_named(skew: float, what: str, fix: str) -> None:
    found = run.clock(formatdate(NOW, usegmt=True), NOW + skew)
    assert what in found.what
    assert fix in found.fix


def test_a_small_difference_of_clocks_is_fine() -> None:
    assert run.clock(formatdate(NOW, usegmt=True), NOW + 5).healthy

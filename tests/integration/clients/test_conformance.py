"""Both clients meet every point of the conformance suite, and each point can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.conformance.mutants import MUTANTS, RULES
from clients.conformance.points import POINTS
from clients.conformance.report import as_text
from clients.conformance.runner import run
from tests.integration.clients.conformance import driver

if TYPE_CHECKING:
    from pathlib import Path

    from clients.conformance.points import Point

# What a client cannot show, because its environment cannot.
NOT_APPLICABLE = {
    "python": {"C23", "C58"},  # there is no tab
    "js": {"C2", "C15"},  # a browser has tokens only, and does not show HTTP statuses
}


@pytest.mark.parametrize("client", NOT_APPLICABLE)
def test_the_client_meets_every_point(client: str) -> None:
    results = run(POINTS, driver(client), jobs=2)
    missed = [each for each in results if each.outcome in ("unmet", "broken")]
    assert not missed, "\n".join(as_text(missed))
    skipped = {each.point.name for each in results if each.outcome == "not applicable"}
    assert skipped == NOT_APPLICABLE[client]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_a_point_fails_on_a_client_without_the_duty(point: Point, tmp_path: Path) -> None:
    """The mutant must fail the point, and not only crash the driver."""
    mutant = MUTANTS[point.name]
    [result] = run([point], driver(mutant.client, mutant.apply(tmp_path)))
    assert result.outcome == "unmet", "\n".join(as_text([result]))


@pytest.mark.parametrize("rule", RULES)
def test_a_client_that_breaks_a_rule_fails(rule: str, tmp_path: Path) -> None:
    name, mutant = RULES[rule]
    point = next(point for point in POINTS if point.name == name)
    [result] = run([point], driver(mutant.client, mutant.apply(tmp_path)))
    assert (result.outcome, result.message.startswith(rule)) == ("unmet", True), result.message

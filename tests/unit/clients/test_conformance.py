"""The table of the conformance points, their mutants, and the frames of the suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients.conformance import contract, exchanges, frames
from clients.conformance.mutants import MUTANTS, RULES, Mutant
from clients.conformance.points import POINTS
from clients.conformance.report import table

DOCS = Path(__file__).parents[3] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text(encoding="utf-8")
REQUIREMENTS = "Client requirements"


def test_points_are_numbered_without_holes() -> None:
    assert [point.name for point in POINTS] == [f"C{n}" for n in range(1, len(POINTS) + 1)]


def test_titles_are_different_and_fit_on_a_line() -> None:
    titles = [point.title for point in POINTS]
    assert len(set(titles)) == len(titles)
    assert max(map(len, titles)) <= 100


def test_every_point_names_a_section_of_the_protocol() -> None:
    headings = re.findall(r"^#+ (?:herald\.v1: )?(.+)$", PROTOCOL, re.MULTILINE)
    sections = {point.source for point in POINTS if not point.source.startswith(REQUIREMENTS)}
    assert sections <= set(headings), sections - set(headings)


def test_every_client_requirement_has_points() -> None:
    [text] = re.findall(rf"^## {REQUIREMENTS}\n(.+?)^\[?The \[", PROTOCOL, re.MULTILINE | re.DOTALL)
    numbers = re.findall(r"^(\d+)\. ", text, re.MULTILINE)
    covered = {point.source for point in POINTS}
    assert {f"{REQUIREMENTS}, {number}" for number in numbers} <= covered


def test_the_page_lists_every_point() -> None:
    page = (DOCS / "conformance.md").read_text(encoding="utf-8")
    assert "\n".join(table(POINTS)) in page


def test_every_point_has_a_mutant_whose_code_is_found_once(tmp_path: Path) -> None:
    assert list(MUTANTS) == [point.name for point in POINTS]
    rules = {rule: mutant for rule, (_, mutant) in RULES.items()}
    for name, mutant in {**MUTANTS, **rules}.items():
        mutant.apply(tmp_path / name)


def test_a_mutant_that_does_not_match_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"link\.py contains 'no such code' 0 times, not once"):
        Mutant("python", "link.py", "no such code", "").apply(tmp_path)


@pytest.mark.parametrize("point", exchanges.SERVER_HALVES)
def test_an_exchange_is_one_of_the_contract(point: str) -> None:
    exchange = exchanges.SERVER_HALVES[point]
    assert point in {each.name for each in POINTS}
    assert contract.frame_error("client", {**exchange.asks, "id": 1}) is None
    for answer in exchange.answers:
        numbered = {**answer, "re": 1} if "re" in answer else answer
        assert contract.frame_error("server", numbered) is None


def test_a_frame_of_a_later_version_may_have_more_fields_and_other_codes() -> None:
    later = {**frames.close(4155, "of_a_later_version", "backoff"), "more": True}
    assert contract.frame_error("server", later, of_later_version=True) is None
    assert contract.frame_error("server", later)
    wrong = {**later, "reconnect": "perhaps"}
    error = contract.frame_error("server", wrong, of_later_version=True)
    assert error
    assert "'perhaps' is not one of" in error

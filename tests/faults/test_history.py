"""A long run on the local stack: no event is lost silently, whatever fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults import report
from tests.faults.campaign import Campaign
from tests.faults.checker import Verdict, check
from tooling import BUILD

if TYPE_CHECKING:
    from tests.faults.stack import FaultStack

pytestmark = pytest.mark.faults

SEED, GENERATIONS = 1, 60  # `make faults SEED=… N=…` changes them


class LongRun:
    """The run that `python -m tests.faults` requests, and its verdict."""

    def __init__(self, seed: int, generations: int) -> None:
        self.seed = seed
        self.generations = generations
        self.verdict: Verdict | None = None


def test_nothing_is_silently_lost(fault_stack: FaultStack, request: pytest.FixtureRequest) -> None:
    # Given several users with several tabs each
    wanted = request.config.pluginmanager.get_plugin("long-run") or LongRun(SEED, GENERATIONS)
    campaign = Campaign(fault_stack, wanted.seed, wanted.generations)
    # When generations complete while faults are injected one after another
    history = fault_stack.background.run(campaign.run(), seconds=None)
    file = BUILD / "faults" / f"history-{wanted.seed}.jsonl"
    history.save(file)
    # Then each result was recorded, each tab handled each of its events once, and each link leads
    # to its output although the provider has forgotten it
    wanted.verdict = verdict = check(history)
    print(f"\n{report.table(verdict, wanted.seed)}\n{report.summary(verdict)}")
    assert verdict.outputs.kept
    assert verdict.holds, f"see {file}\n" + "\n".join(map(str, verdict.violations))

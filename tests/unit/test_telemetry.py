"""Log lines: which are written, and that every function samples the same generations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from chalicelib import metrics, telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATIONS = [str(UUID(int=number * 7_919)) for number in range(2_000)]


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    yield
    telemetry.configure("", "INFO")


def sampled(level: str, percent: int) -> list[str]:
    telemetry.configure("test", level, percent)
    return [generation for generation in GENERATIONS if telemetry.detailed(generation)]


def test_no_generation_is_sampled_by_default_and_all_are_at_debug() -> None:
    assert sampled("INFO", 0) == []
    assert not telemetry.detailed(None)
    assert sampled("DEBUG", 0) == sampled("WARNING", 100) == GENERATIONS


def test_a_share_of_the_generations_is_sampled_and_always_the_same() -> None:
    some = sampled("INFO", 10)
    assert 0.07 * len(GENERATIONS) < len(some) < 0.13 * len(GENERATIONS)
    assert sampled("INFO", 10) == some
    assert set(some) <= set(sampled("INFO", 20))


def test_without_metrics_no_line_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.emit({})
    assert capsys.readouterr().out == ""


def test_a_line_of_metrics_has_only_the_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("test", "INFO")
    telemetry.emit({metrics.GAPS: 1, metrics.DELIVERY_LATENCY: [1.5] * 200})
    line = json.loads(capsys.readouterr().out)
    assert line.keys() == {"_aws", "Stage", "Gaps", "DeliveryLatencyMs"}
    assert (line["Gaps"], len(line["DeliveryLatencyMs"])) == (1, 100)

"""The benchmark of the whole path reads from the log of `deliver` when it posted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from benchmarks.path import logged_batches
from chalicelib import metrics, telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    telemetry.configure("test", "DEBUG")
    yield
    telemetry.configure("test", "INFO")


def test_a_batch_is_read_from_its_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time()
    for milliseconds in (12.5, 30.0):
        telemetry.emit({metrics.POSTS_GONE: 1, metrics.DELIVERY_LATENCY: [40.0]})
        telemetry.debug("batch handled", received=1, failed=0, milliseconds=milliseconds)
    lines = ["START RequestId: 1", *capsys.readouterr().out.splitlines()]
    found = logged_batches(lines)
    assert [milliseconds for _, milliseconds in found] == [12.5, 30.0]
    assert all(before - 0.001 <= posted <= time.time() for posted, _ in found)


def test_a_batch_that_is_logged_in_part_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.emit({metrics.DELIVERY_LATENCY: [40.0]})
    assert logged_batches(capsys.readouterr().out.splitlines()) == []
    telemetry.debug("batch handled", received=1, failed=1, milliseconds=3.0)
    assert logged_batches(capsys.readouterr().out.splitlines()) == []

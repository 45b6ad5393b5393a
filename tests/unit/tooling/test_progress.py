"""Progress of steps on a terminal and in a log."""

from __future__ import annotations

import pytest

from tooling.progress import Step


def test_a_step_prints_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    with Step("Emulator", "once") as step:
        step.done("ready")
    said = capsys.readouterr().err
    assert said.startswith("→ Emulator (once)\n✓ Emulator: ready, ")


def test_a_step_that_fails_is_marked_and_the_error_raised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), Step("Emulator"):
        raise ValueError("broken")
    assert "✗ Emulator" in capsys.readouterr().err

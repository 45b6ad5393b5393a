"""SQS's own message move tasks: started, followed, cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.dead_letters import mover
from cli.dead_letters.run import Run
from tests.unit.cli.fake_sqs import FakeSqs, error


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


def test_the_task_is_not_offered_everywhere(sqs: FakeSqs) -> None:
    assert mover.start_task(sqs, "source", "main") is None


def test_a_rejected_task_is_an_error_and_does_not_start_our_own_mover(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> Any:
        raise error("AccessDenied")

    monkeypatch.setattr(sqs, "start_message_move_task", fail)

    with pytest.raises(ClientError, match="AccessDenied"):
        mover.start_task(sqs, "source", "main")


def moving(status: str, moved: int, **more: Any) -> dict[str, Any]:
    return {"Status": status, "ApproximateNumberOfMessagesMoved": moved, **more}


def test_a_task_is_followed_until_it_finishes(sqs: FakeSqs) -> None:
    sqs.tasks = [moving("RUNNING", 0), moving("RUNNING", 40), moving("COMPLETED", 100)]
    steps: list[int] = []
    run = Run(progress=steps.append)

    mover.follow_task(sqs, "source", "task-1", run, pause=lambda seconds: None)

    assert run.done == 100
    assert steps == [0, 40, 60]
    assert not run.refused


def test_a_failed_task_reports_how_many_are_left_and_why(sqs: FakeSqs) -> None:
    failed = moving("FAILED", 40, ApproximateNumberOfMessagesToMove=100, FailureReason="denied")
    sqs.tasks = [failed]
    run = Run()

    mover.follow_task(sqs, "source", "task-1", run, pause=lambda seconds: None)

    assert (run.done, run.refused, run.reasons) == (40, 60, {"denied"})


def test_stopping_cancels_the_task_once_and_waits_for_it(sqs: FakeSqs) -> None:
    sqs.tasks = [moving("RUNNING", 5), moving("CANCELLING", 7), moving("CANCELLED", 8)]
    run = Run(stop=lambda: True)

    mover.follow_task(sqs, "source", "task-1", run, pause=lambda seconds: None)

    assert sqs.cancelled == ["task-1"]
    assert run.done == 8

"""Moving and deleting dead letters. Nothing is lost or moved twice, even if requests fail."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.dead_letters import mover
from cli.dead_letters.letters import Filter
from cli.dead_letters.queue import HOLD_SECONDS, DeadLetterQueue
from cli.dead_letters.run import Interrupt, Run
from tests.unit.cli.fake_sqs import DLQ, MAIN, FakeSqs, error


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def clock(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.dead_letters.mover.time.time", lambda: sqs.now)


def queue_of(sqs: FakeSqs) -> DeadLetterQueue:
    return DeadLetterQueue(sqs, "queue", DLQ)


def redrive(sqs: FakeSqs, run: Run | None = None, **options: Any) -> Run:
    run = run or Run()
    with queue_of(sqs) as queue:
        mover.redrive(queue, MAIN, run, **options)
    return run


def event(user: str, number: int = 0) -> str:
    return f'{{"userid":"{user}","subject":"g{number}"}}'


def test_all_letters_move_once_with_their_attributes(sqs: FakeSqs) -> None:
    kind = {"DataType": "String", "StringValue": "herald.generation.complete"}
    for number in range(25):
        sqs.put(event("alice", number), type=kind)

    run = redrive(sqs)

    assert run.done == 25
    assert sqs.bodies(MAIN) == sorted(event("alice", number) for number in range(25))
    assert all(message.attributes == {"type": kind} for message in sqs.queues[MAIN])
    assert not sqs.queues[DLQ]


def test_a_letter_is_deleted_only_after_its_copy_was_accepted(sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.put(event("alice", number))

    redrive(sqs)

    assert sqs.requests.index("send") < sqs.requests.index("delete")
    assert sqs.requests.count("send") == sqs.requests.count("delete") == 1


def test_letters_that_sqs_rejects_stay_and_become_visible_at_once(sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.put(event("alice", number))
    sqs.refuse_send = {event("alice", 1)}

    run = redrive(sqs)

    assert (run.done, run.refused) == (2, 1)
    assert run.reasons == {"Denied: not now"}
    assert sqs.visible(DLQ) == [event("alice", 1)]
    assert sqs.bodies(MAIN) == [event("alice", 0), event("alice", 2)]


def test_a_failing_request_deletes_nothing(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        sqs.put(event("alice", number))

    def fail(**_: Any) -> Any:
        raise error("AccessDenied")

    monkeypatch.setattr(sqs, "send_message_batch", fail)

    with pytest.raises(ClientError, match="AccessDenied"):
        redrive(sqs)

    assert len(sqs.visible(DLQ)) == 12
    assert "delete" not in sqs.requests


def test_a_failed_deletion_is_retried_without_a_second_copy(sqs: FakeSqs) -> None:
    sqs.put(event("alice"))
    sqs.refuse_delete = {event("alice"): 1}

    run = redrive(sqs)

    assert (run.done, run.doubled) == (1, 0)
    assert len(sqs.queues[MAIN]) == 1
    assert not sqs.queues[DLQ]


def test_a_letter_that_cannot_be_deleted_is_copied_once_and_reported(sqs: FakeSqs) -> None:
    sqs.put(event("alice"))
    sqs.refuse_delete = {event("alice"): 99}

    run = redrive(sqs)

    assert (run.done, run.doubled) == (0, 1)
    assert len(sqs.queues[MAIN]) == 1
    assert sqs.visible(DLQ) == [event("alice")]


def test_the_filter_leaves_the_others_visible_and_uncopied(sqs: FakeSqs) -> None:
    for number in range(15):
        sqs.put(event("alice" if number % 3 else "bob", number))

    run = redrive(sqs, wanted=Filter(user="bob"))

    assert (run.done, run.passed_over) == (5, 10)
    assert all("bob" in body for body in sqs.bodies(MAIN))
    assert sqs.visible(DLQ) == sqs.bodies(DLQ)
    assert len(sqs.bodies(DLQ)) == 10
    # Each message is received only once, because every receive increases its receive count.
    assert {message.receives for message in sqs.queues[DLQ]} == {1}


@pytest.mark.usefixtures("clock")
def test_age_counts_from_sending(sqs: FakeSqs) -> None:
    sqs.put("old")
    sqs.now += 3600
    sqs.put("new")

    redrive(sqs, wanted=Filter(older_than=600))

    assert sqs.bodies(MAIN) == ["old"]


def test_the_limit_covers_batches_and_parts(sqs: FakeSqs) -> None:
    for number in range(30):
        sqs.put(event("alice", number))

    run = redrive(sqs, limit=13)

    assert run.done == 13
    assert len(sqs.queues[MAIN]) == 13
    assert len(sqs.visible(DLQ)) == 17


def test_a_copy_that_comes_back_during_the_run_is_not_moved_again(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an invalid message on which `deliver` fails at once. SQS keeps its message id in the
    dead-letter queue.
    """
    sqs.put("poison")
    delete = sqs.delete_message_batch

    def delete_and_fail_again(**request: Any) -> Any:
        answer = delete(**request)
        sqs.queues[DLQ] += sqs.queues[MAIN]
        sqs.queues[MAIN] = []
        return answer

    monkeypatch.setattr(sqs, "delete_message_batch", delete_and_fail_again)

    run = redrive(sqs)

    assert run.done == 1
    assert sqs.visible(DLQ) == ["poison"]


def test_a_letter_that_becomes_visible_during_the_run_is_not_handed_out_twice(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        sqs.put(event("alice", number))
    receive = sqs.receive_message

    def slow_receive(**request: Any) -> Any:
        sqs.now += HOLD_SECONDS + 1
        return receive(**request)

    monkeypatch.setattr(sqs, "receive_message", slow_receive)

    with queue_of(sqs) as queue:
        found = mover.collect(queue, Filter())

    assert len(found) == 3


def test_stopping_finishes_only_the_request_in_flight(sqs: FakeSqs) -> None:
    for number in range(30):
        sqs.put(event("alice", number))
    run = Run(stop=lambda: bool(run.done))

    redrive(sqs, run)

    assert run.done == 10
    assert len(sqs.queues[MAIN]) == 10
    assert len(sqs.visible(DLQ)) == 20


def test_stopping_works_between_the_parts_of_a_batch_too(sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.put(f"{number}{'x' * 200_000}")
    run = Run(stop=lambda: bool(run.done))

    redrive(sqs, run)

    assert run.done == 1
    assert len(sqs.visible(DLQ)) == 2


def test_a_deleted_letter_that_sqs_redelivers_is_not_copied_again(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an SQS server that missed the deletion, which can happen according to AWS's
    documentation.
    """
    sqs.put("again", message_id="m1")
    delete = sqs.delete_message_batch
    missed = [True]

    def delete_and_bring_again(**request: Any) -> Any:
        answer = delete(**request)
        if missed.pop():
            sqs.put("again", message_id="m1")
            missed.append(False)
        return answer

    monkeypatch.setattr(sqs, "delete_message_batch", delete_and_bring_again)

    run = redrive(sqs)

    assert run.done == 1
    assert sqs.bodies(MAIN) == ["again"]


def test_parts_fit_a_request(sqs: FakeSqs) -> None:
    big = "x" * 100_000
    for number in range(5):
        sqs.put(f"{number}{big}")

    redrive(sqs)

    assert sqs.requests.count("send") == 3  # 2 + 2 + 1
    assert len(sqs.queues[MAIN]) == 5


def test_purge_deletes_only_collected_letters(sqs: FakeSqs) -> None:
    for number in range(12):
        sqs.put(event("alice", number))
    run = Run()

    with queue_of(sqs) as queue:
        found = mover.collect(queue, Filter())
        sqs.put("late")
        mover.purge(queue, found, run)

    assert run.done == 12
    assert sqs.visible(DLQ) == ["late"]


def test_collecting_changes_nothing(sqs: FakeSqs) -> None:
    for number in range(12):
        sqs.put(event("alice", number))

    with queue_of(sqs) as queue:
        assert len(mover.collect(queue, Filter(), 5)) == 5

    assert len(sqs.visible(DLQ)) == 12


def test_the_first_ctrl_c_is_a_flag_and_the_second_stops_the_run() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before

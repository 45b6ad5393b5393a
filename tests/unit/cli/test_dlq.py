"""The command line of dead letters, on SQS in memory."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from cli import dlq, target
from cli.mover import Run
from tests.unit.cli.fake_sqs import DLQ, MAIN, FakeSqs, error

SUBSCRIPTION = "https://sqs.test/subscription-dlq"


class Fake(target.Target):
    def __init__(self, sqs: FakeSqs) -> None:
        outputs = {"queue_url": MAIN, "dlq_url": DLQ, "subscription_dlq_url": SUBSCRIPTION}
        super().__init__("test", outputs)
        self._sqs = sqs

    def client(self, service: str) -> FakeSqs:
        return self._sqs


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> FakeSqs:
    fake = FakeSqs()
    fake.queues[SUBSCRIPTION] = []
    monkeypatch.setattr(target, "choose", lambda arguments: Fake(fake))
    return fake


def test_sqs_own_task_moves_an_unfiltered_queue_and_our_mover_the_subscriptions(
    sqs: FakeSqs, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs.tasks = [{"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7}]
    sqs.put("lost", SUBSCRIPTION)

    assert dlq.main(["redrive"]) == 0

    assert "task arn:aws:sqs:r:1:dlq arn:aws:sqs:r:1:main" in sqs.requests
    assert sqs.bodies(MAIN) == ["lost"]
    assert capsys.readouterr().out == "8 moved.\n"


@pytest.mark.parametrize(
    "words", [["--limit", "5"], ["--user", "alice"], ["--older-than", "0s"], ["--generation", "g"]]
)
def test_sqs_own_task_is_not_used_for_a_part(words: list[str], sqs: FakeSqs) -> None:
    sqs.tasks = [{"Status": "COMPLETED"}]
    sqs.put('{"userid":"alice","subject":"g"}')

    assert dlq.main(["redrive", "--queue", "queue", *words]) == 0

    assert not [request for request in sqs.requests if request.startswith("task")]
    assert len(sqs.queues[MAIN]) == 1


def test_the_limit_holds_over_both_queues(sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.put(f"queue-{number}")
        sqs.put(f"subscription-{number}", SUBSCRIPTION)

    dlq.main(["redrive", "--limit", "4"])

    assert len(sqs.queues[MAIN]) == 4
    assert sqs.visible(SUBSCRIPTION) == ["subscription-1", "subscription-2"]


def test_a_dry_run_changes_nothing(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    sqs.put("a")
    sqs.put("b", SUBSCRIPTION)

    assert dlq.main(["redrive", "--dry-run"]) == 0

    assert capsys.readouterr().out == "2 would be moved.\n"
    assert sqs.visible(DLQ) == ["a"]
    assert sqs.visible(SUBSCRIPTION) == ["b"]
    assert not sqs.queues[MAIN]


def test_a_failure_half_way_tells_what_was_moved_and_exits_1(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        sqs.put(f"m{number}")
    send = sqs.send_message_batch

    def once(**request: object) -> object:
        if sqs.queues[MAIN]:
            raise error("ServiceUnavailable")
        return send(**request)  # type: ignore[arg-type] # boto3's keywords

    monkeypatch.setattr(sqs, "send_message_batch", once)

    assert dlq.main(["redrive", "--queue", "queue"]) == 1

    shown = capsys.readouterr()
    assert shown.out == "10 moved.\n"
    assert "ServiceUnavailable" in shown.err
    assert len(sqs.visible(DLQ)) == 2


def test_a_refused_letter_is_told_and_exits_1(
    sqs: FakeSqs, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs.put("a")
    sqs.put("b")
    sqs.refuse_send = {"b"}

    assert dlq.main(["redrive"]) == 1

    shown = capsys.readouterr()
    assert shown.out == "1 moved, 1 refused and left in place.\n"
    assert "Denied: not now" in shown.err


def test_no_access_at_all_is_exit_2_of_the_command(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error("AccessDenied")

    monkeypatch.setattr(sqs, "get_queue_attributes", fail)
    with pytest.raises(ClientError):  # commands.run makes 2 of it
        dlq.main(["redrive"])


def test_purge_needs_a_yes(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    sqs.put("a")
    assert dlq.main(["purge", "--yes", "--user", "nobody"]) == 0
    assert sqs.visible(DLQ) == ["a"]
    assert dlq.main(["purge", "--yes"]) == 0
    assert not sqs.queues[DLQ]
    assert capsys.readouterr().out.splitlines() == ["0 deleted: there are none.", "1 deleted."]


def test_an_answer_of_no_deletes_nothing(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    sqs.put("a")

    def no(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr(dlq, "confirmed", no)

    assert dlq.main(["purge"]) == 1

    assert "Delete 1 for ever?" in asked[0]
    assert sqs.visible(DLQ) == ["a"]


def test_list_counts_both_and_gives_reasons(
    sqs: FakeSqs, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs.put('{"subject":"g1","userid":"[bold]al"}')
    sqs.put("x", SUBSCRIPTION, ErrorCode={"DataType": "String", "StringValue": "Denied"})

    assert dlq.main(["list"]) == 0

    shown = capsys.readouterr().out
    assert shown.count("1 dead letters of the") == 2
    assert "[bold]al" in shown  # a user's id is text, not markup
    assert "specversion is not 1.0" in shown
    assert "SNS: Denied" in shown


def test_peek_prints_json(sqs: FakeSqs, capsys: pytest.CaptureFixture[str]) -> None:
    sqs.put('{"subject":"g1"}')
    assert dlq.main(["peek"]) == 0
    (letter,) = json.loads(capsys.readouterr().out)
    assert letter["event"] == {"subject": "g1"}
    assert letter["queue"] == "queue"


def test_the_summary_names_everything_that_was_not_done() -> None:
    run = Run()
    run.done, run.refused, run.doubled, run.passed_over = 4, 3, 2, 1
    line = dlq.summary(run, "moved", interrupted=True)
    assert line == (
        "4 moved, 3 refused and left in place, 2 copied but left in place: they will come twice,"
        " harmlessly, 1 passed over by the filter, interrupted; the rest is where it was."
    )

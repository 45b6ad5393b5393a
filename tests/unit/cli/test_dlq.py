"""The command line of dead letters, on SQS in memory."""

from __future__ import annotations

import json

import pytest

from cli import target
from cli.commands import dlq
from cli.dead_letters.actions import Outcome
from cli.dead_letters.run import Run
from tests.command_line import herald
from tests.unit.cli.fake_sqs import DLQ, MAIN, FakeSqs, error

SUBSCRIPTION = "https://sqs.test/subscription-dlq"
KEEP, KEEP_DLQ = "https://sqs.test/keep", "https://sqs.test/keep-dlq"


class Fake(target.Target):
    def __init__(self, sqs: FakeSqs) -> None:
        outputs = {"queue_url": MAIN, "dlq_url": DLQ, "subscription_dlq_url": SUBSCRIPTION}
        if KEEP in sqs.queues:
            outputs |= {"keep_queue_url": KEEP, "keep_dlq_url": KEEP_DLQ}
        super().__init__("test", outputs)
        self._sqs = sqs

    def client(self, service: str) -> FakeSqs:
        return self._sqs


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> FakeSqs:
    fake = FakeSqs()
    fake.queues[SUBSCRIPTION] = []
    monkeypatch.setattr(target, "choose", lambda which: Fake(fake))
    return fake


def test_sqs_own_task_moves_an_unfiltered_queue_and_our_mover_the_subscriptions(
    sqs: FakeSqs,
) -> None:
    sqs.tasks = [{"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 7}]
    sqs.put("lost", SUBSCRIPTION)

    result = herald("dlq", "redrive")

    assert result.exit_code == 0
    assert "task arn:aws:sqs:r:1:dlq arn:aws:sqs:r:1:main" in sqs.requests
    assert sqs.bodies(MAIN) == ["lost"]
    assert result.stdout == "8 moved.\n"


def test_dead_letters_of_keep_return_to_its_own_queue(sqs: FakeSqs) -> None:
    sqs.queues |= {KEEP: [], KEEP_DLQ: []}
    sqs.put("an event", KEEP_DLQ)
    sqs.put("another", SUBSCRIPTION)

    listed = json.loads(herald("dlq", "list", "--json").stdout)["queues"]
    assert [found["queue"] for found in listed] == ["queue", "subscription", "keep"]
    sqs.now += 601
    assert herald("dlq", "redrive", "--queue", "keep").stdout == "1 moved.\n"
    assert (sqs.bodies(KEEP), sqs.bodies(MAIN)) == (["an event"], [])
    assert herald("dlq", "redrive").exit_code == 0
    assert sqs.bodies(MAIN) == ["another"]


def test_a_deployment_that_keeps_no_outputs_has_two_queues(sqs: FakeSqs) -> None:
    listed = json.loads(herald("dlq", "list", "--json").stdout)["queues"]
    assert [found["queue"] for found in listed] == ["queue", "subscription"]
    assert herald("dlq", "list", "--queue", "keep").exit_code == 2


@pytest.mark.parametrize(
    "words", [["--limit", "5"], ["--user", "alice"], ["--older-than", "0s"], ["--generation", "g"]]
)
def test_sqs_own_task_is_not_used_for_a_part(words: list[str], sqs: FakeSqs) -> None:
    sqs.tasks = [{"Status": "COMPLETED"}]
    sqs.put('{"userid":"alice","subject":"g"}')

    assert herald("dlq", "redrive", "--queue", "queue", *words).exit_code == 0

    assert not [request for request in sqs.requests if request.startswith("task")]
    assert len(sqs.queues[MAIN]) == 1


def test_the_limit_covers_both_queues(sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.put(f"queue-{number}")
        sqs.put(f"subscription-{number}", SUBSCRIPTION)

    herald("dlq", "redrive", "--limit", "4")

    assert len(sqs.queues[MAIN]) == 4
    assert sqs.visible(SUBSCRIPTION) == ["subscription-1", "subscription-2"]


@pytest.mark.parametrize("limit", ["0", "-3", "two", "", "²"])
def test_a_limit_is_a_whole_number_above_zero(limit: str, sqs: FakeSqs) -> None:
    result = herald("dlq", "redrive", "--limit", limit)
    assert result.exit_code == 2
    assert "--limit" in result.stderr
    assert not sqs.requests


def test_a_dry_run_changes_nothing(sqs: FakeSqs) -> None:
    sqs.put("a")
    sqs.put("b", SUBSCRIPTION)

    result = herald("dlq", "redrive", "--dry-run")

    assert (result.exit_code, result.stdout) == (0, "2 would be moved.\n")
    assert sqs.visible(DLQ) == ["a"]
    assert sqs.visible(SUBSCRIPTION) == ["b"]
    assert not sqs.queues[MAIN]
    assert json.loads(herald("dlq", "redrive", "--dry-run", "--json").stdout) == {"found": 2}


def test_a_failure_half_way_reports_what_was_moved_and_exits_1(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        sqs.put(f"m{number}")
    send = sqs.send_message_batch

    def once(**request: object) -> object:
        if sqs.queues[MAIN]:
            raise error("ServiceUnavailable")
        return send(**request)  # type: ignore[arg-type] # boto3's keywords

    monkeypatch.setattr(sqs, "send_message_batch", once)

    result = herald("dlq", "redrive", "--queue", "queue")

    assert (result.exit_code, result.stdout) == (1, "10 moved.\n")
    assert "ServiceUnavailable" in result.stderr
    assert len(sqs.visible(DLQ)) == 2


def test_a_rejected_letter_is_reported_and_exits_1(sqs: FakeSqs) -> None:
    sqs.put("a")
    sqs.put("b")
    sqs.refuse_send = {"b"}

    result = herald("dlq", "redrive")

    assert (result.exit_code, result.stdout) == (1, "1 moved, 1 refused and left in place.\n")
    assert "Denied: not now" in result.stderr


def test_a_redrive_in_json_has_every_count(sqs: FakeSqs) -> None:
    sqs.put("a")
    sqs.put("b")
    sqs.refuse_send = {"b"}

    result = herald("dlq", "redrive", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "moved": 1,
        "refused": 1,
        "doubled": 0,
        "passedOver": 0,
        "interrupted": False,
        "reasons": ["Denied: not now"],
    }


def test_without_access_the_command_exits_2(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise error("AccessDenied")

    monkeypatch.setattr(sqs, "get_queue_attributes", fail)

    result = herald("dlq", "redrive")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "AccessDenied" in result.stderr


def test_purge_needs_a_yes(sqs: FakeSqs) -> None:
    sqs.put("a")
    nobodys = herald("dlq", "purge", "--yes", "--user", "nobody")
    assert (nobodys.exit_code, nobodys.stdout) == (0, "0 deleted: there are none.\n")
    assert sqs.visible(DLQ) == ["a"]
    unconfirmed = herald("dlq", "purge", typed="y\n")
    assert (unconfirmed.exit_code, unconfirmed.stdout) == (2, "")
    assert "Without a terminal, the command cannot ask: use --yes." in unconfirmed.stderr
    assert sqs.visible(DLQ) == ["a"]
    everything = herald("dlq", "purge", "--yes")
    assert (everything.exit_code, everything.stdout) == (0, "1 deleted.\n")
    assert not sqs.queues[DLQ]


def test_a_purge_in_json_has_every_count(sqs: FakeSqs) -> None:
    sqs.put("a")
    counts = {"refused": 0, "doubled": 0, "passedOver": 0, "interrupted": False, "reasons": []}
    first, second = (herald("dlq", "purge", "--yes", "--json") for _ in range(2))
    assert json.loads(first.stdout) == {"deleted": 1, **counts}
    assert json.loads(second.stdout) == {"deleted": 0, **counts}


def test_an_answer_of_no_deletes_nothing(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    sqs.put("a")

    def no(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return yes

    monkeypatch.setattr(dlq, "confirmed", no)

    result = herald("dlq", "purge")

    assert (result.exit_code, result.stdout) == (1, "0 deleted.\n")
    assert "Delete 1 permanently?" in asked[0]
    assert sqs.visible(DLQ) == ["a"]


def test_list_counts_both_queues_and_gives_reasons(sqs: FakeSqs) -> None:
    sqs.put('{"subject":"g1","userid":"[bold]al"}')
    sqs.put("x", SUBSCRIPTION, ErrorCode={"DataType": "String", "StringValue": "Denied"})

    result = herald("dlq", "list")

    assert result.exit_code == 0
    shown = result.stdout
    assert shown.count("1 dead letters of the") == 2
    assert "[bold]al" in shown  # a user's id is text, not markup
    assert "specversion is not 1.0" in shown
    assert "SNS: Denied" in shown


def test_a_list_in_json_has_counts_and_letters(sqs: FakeSqs) -> None:
    sqs.put('{"subject":"g1","userid":"alice"}')
    sqs.put("b")

    result = herald("dlq", "list", "--limit", "1", "--json")

    assert result.exit_code == 0
    queue, subscription = json.loads(result.stdout)["queues"]
    (letter,) = queue.pop("letters")
    assert queue == {"queue": "queue", "visible": 2, "inFlight": 0}
    assert (letter["generation"], letter["user"]) == ("g1", "alice")
    assert letter["reason"].startswith("invalid event")
    assert subscription == {"queue": "subscription", "visible": 0, "inFlight": 0, "letters": []}


def test_peek_prints_json(sqs: FakeSqs) -> None:
    sqs.put('{"subject":"g1"}')
    result = herald("dlq", "peek")
    assert result.exit_code == 0
    (letter,) = json.loads(result.stdout)
    assert letter["event"] == {"subject": "g1"}
    assert letter["queue"] == "queue"


def test_the_outcome_names_everything_that_was_not_done() -> None:
    run = Run()
    run.done, run.refused, run.doubled, run.passed_over = 4, 3, 2, 1
    assert str(Outcome("moved", run, interrupted=True)) == (
        "4 moved, 3 refused and left in place, 2 copied but not deleted: clients drop the"
        " duplicates, 1 not selected by the filter, interrupted; the others were not changed."
    )

"""`./herald dlq` with the emulator: dead letters of a redrive policy, faults and interruptions."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from chalicelib.protocol import events
from tests import builders
from tests.integration.cli.conftest import Proxy, Queues, on_terminal, run, start

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from local.emulator import Emulator

pytestmark = pytest.mark.integration

LETTERS = sorted(f"letter-{number:02}" for number in range(35))


def dlq(stack_file: Path, *words: str) -> tuple[int, str, str]:
    return run("dlq", *words, "--stack-env", str(stack_file))


def dead_arn(queues: Queues) -> str:
    answer = queues.client.get_queue_attributes(QueueUrl=queues.dlq, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def test_letters_are_listed_and_come_back_unchanged(queues: Queues, stack_file: Path) -> None:
    """Given an event and a poison message that were received three times."""
    policy = {"deadLetterTargetArn": dead_arn(queues), "maxReceiveCount": 3}
    queues.client.set_queue_attributes(
        QueueUrl=queues.main, Attributes={"RedrivePolicy": json.dumps(policy)}
    )
    event = builders.event("alice", 7)
    queues.bury(event, url=queues.main, type="herald.generation.complete", status="COMPLETE")
    queues.bury("poison", url=queues.main)
    for _ in range(4):  # the fourth receive finds none and moves them
        queues.client.receive_message(QueueUrl=queues.main, MaxNumberOfMessages=10)

    code, listed, _ = dlq(stack_file, "list")
    assert code == 0
    assert "2 dead letters of the queue" in listed
    assert "invalid event: the message is not JSON" in listed
    assert "received too often" in listed
    assert json.loads(event)["subject"] in listed

    code, peeked, _ = dlq(stack_file, "peek", "--queue", "queue", "--user", "alice")
    (letter,) = json.loads(peeked)
    assert letter["event"] == json.loads(event)
    assert letter["receives"] >= 3

    assert dlq(stack_file, "redrive", "--queue", "queue")[:2] == (0, "2 moved.\n")

    moved = {message["Body"]: message for message in queues.taken(queues.main)}
    assert set(moved) == {event, "poison"}
    attributes = moved[event]["MessageAttributes"]
    assert {name: value["StringValue"] for name, value in attributes.items()} == {
        "type": "herald.generation.complete",
        "status": "COMPLETE",
    }
    assert moved[event]["Attributes"]["ApproximateReceiveCount"] == "1"


def test_both_queues_go_to_the_main_queue_once(queues: Queues, stack_file: Path) -> None:
    queues.bury(*LETTERS[:20])
    queues.bury(*LETTERS[20:], url=queues.subscription_dlq, ErrorCode="AccessDenied")

    assert dlq(stack_file, "redrive")[:2] == (0, "35 moved.\n")

    assert queues.bodies(queues.main) == LETTERS
    assert not queues.taken(queues.dlq)
    assert not queues.taken(queues.subscription_dlq)


def test_a_filter_leaves_the_other_letters_visible_at_once(
    queues: Queues, stack_file: Path
) -> None:
    mine = [builders.event("alice", number) for number in range(1, 4)]
    others = [builders.event("bob", number) for number in range(1, 15)]
    queues.bury(*others[:7], *mine, *others[7:])

    code, said, _ = dlq(stack_file, "redrive", "--queue", "queue", "--user", "alice")

    assert (code, said) == (0, "3 moved, 14 not selected by the filter.\n")
    assert queues.bodies(queues.main) == sorted(mine)
    assert queues.bodies(queues.dlq) == sorted(others)


def test_list_peek_and_a_dry_run_leave_every_letter_visible(
    queues: Queues, stack_file: Path
) -> None:
    queues.bury(*LETTERS)

    assert "35 dead letters of the queue" in dlq(stack_file, "list")[1]
    assert len(json.loads(dlq(stack_file, "peek", "--queue", "queue", "--limit", "3")[1])) == 3
    assert dlq(stack_file, "redrive", "--dry-run")[:2] == (0, "35 would be moved.\n")

    assert not queues.taken(queues.main)
    assert queues.bodies(queues.dlq) == LETTERS


def test_purge_without_a_terminal_needs_the_option(queues: Queues, stack_file: Path) -> None:
    mine, other = builders.event("alice", 1), builders.event("bob", 1)
    queues.bury(mine, other)

    code, _, errors = dlq(stack_file, "purge")
    assert code == 2
    assert "Delete 2 permanently?" in errors

    assert dlq(stack_file, "purge", "--user", "alice", "--yes")[:2] == (0, "1 deleted.\n")
    assert queues.bodies(queues.dlq) == [other]


def test_a_rejected_send_deletes_nothing(queues: Queues, proxy: Proxy, stack_file: Path) -> None:
    queues.bury(*LETTERS)
    sends = 0

    def refuse_the_third(operation: str) -> str | None:
        nonlocal sends
        sends += operation == "SendMessageBatch"
        return "AccessDenied" if operation == "SendMessageBatch" and sends == 3 else None

    proxy.before = refuse_the_third

    code, said, errors = dlq(stack_file, "redrive", "--queue", "queue")

    assert (code, said) == (1, "20 moved.\n")
    assert "AccessDenied" in errors
    moved, left = queues.bodies(queues.main), queues.bodies(queues.dlq)
    assert (len(moved), len(left)) == (20, 15)
    assert sorted(moved + left) == LETTERS


def interrupted(
    proxy: Proxy, stack_file: Path, operation: str, *, number: int, after: bool
) -> tuple[int, str]:
    """Redrive, and send the signal `number` before or after the second request of `operation`."""
    seen = 0
    command: list[subprocess.Popen[str]] = []

    def interrupt(current: str) -> None:
        nonlocal seen
        seen += current == operation
        if current == operation and seen == 2:
            command[0].send_signal(number)

    if after:
        proxy.after = interrupt
    else:
        proxy.before = interrupt
    command.append(start("dlq", "redrive", "--stack-env", str(stack_file)))
    output, _ = command[0].communicate(timeout=60)
    return command[0].returncode, output


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("ReceiveMessage", signal.SIGINT),
        ("SendMessageBatch", signal.SIGINT),
        ("SendMessageBatch", signal.SIGTERM),
        ("DeleteMessageBatch", signal.SIGINT),
    ],
)
def test_an_interrupted_redrive_loses_nothing_and_copies_nothing_twice(
    operation: str, number: int, queues: Queues, proxy: Proxy, stack_file: Path
) -> None:
    queues.bury(*LETTERS)

    code, said = interrupted(proxy, stack_file, operation, number=number, after=False)

    moved, left = queues.bodies(queues.main), queues.bodies(queues.dlq)
    assert sorted(moved + left) == LETTERS
    assert left  # it did stop
    assert code == 1
    assert said == f"{len(moved)} moved, interrupted; the others were not changed.\n"


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch"])
def test_a_killed_redrive_loses_nothing(
    operation: str, queues: Queues, proxy: Proxy, stack_file: Path, aws: Emulator
) -> None:
    queues.bury(*LETTERS)

    code, _ = interrupted(proxy, stack_file, operation, number=signal.SIGKILL, after=True)

    assert code == -signal.SIGKILL
    # Messages in flight stay invisible until their visibility timeout, so visible and invisible
    # messages are counted.
    moved = queues.bodies(queues.main)
    held = queues.client.get_queue_attributes(QueueUrl=queues.dlq, AttributeNames=["All"])
    left = int(held["Attributes"]["ApproximateNumberOfMessages"]) + int(
        held["Attributes"]["ApproximateNumberOfMessagesNotVisible"]
    )
    doubles = 10 if operation == "SendMessageBatch" else 0  # copied, but not yet deleted
    assert len(moved) == len(set(moved)) == 20
    assert len(moved) + left == len(LETTERS) + doubles


def test_events_in_the_envelope_of_sns_are_found_and_come_back(
    queues: Queues, stack_file: Path
) -> None:
    """Given dead letters that were sent while raw delivery was off."""
    mine, other = builders.event("alice", 1), builders.event("bob", 2)
    queues.bury(*(json.dumps({"Type": "Notification", "Message": each}) for each in (mine, other)))
    generation = json.loads(mine)["subject"]

    assert generation in dlq(stack_file, "list", "--user", "alice")[1]
    (letter,) = json.loads(dlq(stack_file, "peek", "--generation", generation)[1])
    assert letter["event"] == json.loads(mine)

    code, said, _ = dlq(stack_file, "redrive", "--queue", "queue", "--user", "alice")
    assert (code, said) == (0, "1 moved, 1 not selected by the filter.\n")
    (moved,) = queues.bodies(queues.main)
    assert events.parse(moved) == events.parse(mine)  # as `deliver` reads it

    assert dlq(stack_file, "redrive", "--queue", "queue")[:2] == (0, "1 moved.\n")
    (moved,) = queues.bodies(queues.main)
    assert events.parse(moved) == events.parse(other)


TITLE, CLEAR, CLIPBOARD = "\x1b]0;owned\x07", "\x1b[2J", "\x1b]52;c;cm0gLXJm\x07"
HOSTILE = {
    "userid": f"al{CLEAR}ice{CLIPBOARD}",
    "subject": f"g{TITLE}1\x9b2J",
    "type": "herald.generation.\u202eetelpmoc\u2066",
    "data": {"prompt": f"\x9b2J\u202e\u061c{CLEAR}"},
}


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("peek",)])
def test_an_event_cannot_control_the_terminal(
    words: tuple[str, ...], queues: Queues, stack_file: Path
) -> None:
    queues.bury(json.dumps(HOSTILE, ensure_ascii=False).replace("\x1b", "\\u001b"))

    code, shown = on_terminal("dlq", *words, "--stack-env", str(stack_file))

    assert code == 0
    assert "ice" in shown
    shown = re.sub(r"\x1b\[[\d;]*m|\r\n", "", shown)  # the table's own bold type and line ends
    assert not [character for character in shown if not character.isprintable()]


def test_without_a_queue_nothing_is_begun(queues: Queues, proxy: Proxy, stack_file: Path) -> None:
    code, said, errors = dlq(stack_file, "redrive", "--set", "dlq_url=http://127.0.0.1:1/1/none")
    assert (code, said) == (2, "")
    assert errors

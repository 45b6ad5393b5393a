"""SNS: attributes, and batches in which one event is refused."""

import json
import time
from typing import Any, cast

import pytest

from chalicelib.aws.sns import BatchResult, Entry
from chalicelib.errors import PublishFailed, ServiceError
from chalicelib.recording.outbox import OutboxRow
from chalicelib.recording.publishing import Publisher, message_attributes
from tests.unit.protocol.test_events import build


def test_attributes_do_not_reveal_the_owner() -> None:
    wanted = {"type": "herald.generation.complete", "status": "COMPLETE"}
    assert message_attributes(build()) == wanted


def test_an_event_that_another_program_wrote_with_spaces_has_the_same_attributes() -> None:
    spaced = json.dumps(json.loads(build()), indent=1)
    assert message_attributes(spaced) == message_attributes(build())


@pytest.mark.parametrize("text", ["", "{}", '{"type":"other"}'])
def test_other_text_has_no_attributes(text: str) -> None:
    with pytest.raises(PublishFailed) as refused:
        message_attributes(text)
    assert refused.value.blames_request


class Sns:
    """A fake of SNS that refuses every batch with a certain id, with an error code."""

    def __init__(self, *, blames_request: bool) -> None:
        self._blames_request = blames_request
        self.batches: list[list[str]] = []

    def publish_batch(self, topic: str, entries: list[Entry], *, deadline: float) -> BatchResult:
        ids = [entry.id for entry in entries]
        self.batches.append(ids)
        if "bad" in ids:
            raise ServiceError("sns", 400, "Why", blames_request=self._blames_request)
        return BatchResult(ids, {})


def publish(sns: Sns) -> list[str]:
    publisher = Publisher(cast(Any, sns), "topic", "errors")
    rows = [OutboxRow(name, build()) for name in ("a", "bad", "b")]
    return publisher.publish_batch(rows, deadline=time.monotonic() + 60)


def test_one_refused_event_does_not_block_its_batch(capsys: pytest.CaptureFixture[str]) -> None:
    sns = Sns(blames_request=True)
    assert publish(sns) == ["a", "b"]
    assert sns.batches == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert '"event_id":"bad"' in capsys.readouterr().out


def test_a_batch_refused_for_another_reason_is_not_taken_apart() -> None:
    sns = Sns(blames_request=False)
    with pytest.raises(PublishFailed, match="Why"):
        publish(sns)
    assert sns.batches == [["a", "bad", "b"]]

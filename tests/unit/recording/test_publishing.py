"""SNS: attributes, and batches in which one event is refused."""

import time
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from chalicelib.errors import PublishFailed
from chalicelib.recording.publishing import Publisher, message_attributes
from chalicelib.recording.rows import OutboxRow
from tests.unit.protocol.test_events import build


def test_attributes_do_not_reveal_the_owner() -> None:
    assert message_attributes(build()) == {
        "type": {"DataType": "String", "StringValue": "herald.generation.complete"},
        "status": {"DataType": "String", "StringValue": "COMPLETE"},
    }


class Sns:
    """A fake of SNS that refuses every batch with a certain id, with an error code."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.batches: list[list[str]] = []

    def publish_batch(self, **request: Any) -> Any:
        ids = [entry["Id"] for entry in request["PublishBatchRequestEntries"]]
        self.batches.append(ids)
        if "bad" in ids:
            raise ClientError({"Error": {"Code": self._code}}, "PublishBatch")
        return {"Successful": [{"Id": each} for each in ids]}


def publish(sns: Sns) -> list[str]:
    publisher = Publisher(cast(Any, sns), "topic", "errors", sleep=lambda seconds: None)
    rows = [OutboxRow(name, build()) for name in ("a", "bad", "b")]
    return publisher.publish_batch(rows, deadline=time.monotonic() + 60)


def test_one_refused_event_does_not_block_its_batch(capsys: pytest.CaptureFixture[str]) -> None:
    sns = Sns("InvalidParameter")
    assert publish(sns) == ["a", "b"]
    assert sns.batches == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert '"event_id":"bad"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "code", ["Throttling", "InternalError", "AuthorizationError", "KMSThrottling"]
)
def test_a_batch_refused_for_another_reason_is_retried_whole(code: str) -> None:
    sns = Sns(code)
    with pytest.raises(PublishFailed, match=code):
        publish(sns)
    assert sns.batches == [["a", "bad", "b"]] * 3

"""The message attributes, which are outside the encrypted event."""

from chalicelib.recording.publishing import message_attributes
from tests.unit.protocol.test_events import build


def test_attributes_do_not_reveal_the_owner() -> None:
    assert message_attributes(build()) == {
        "type": {"DataType": "String", "StringValue": "herald.generation.complete"},
        "status": {"DataType": "String", "StringValue": "COMPLETE"},
    }

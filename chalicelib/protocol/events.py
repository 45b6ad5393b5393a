"""The event format: CloudEvents 1.0 in structured JSON.

`callback` writes an event when it records a result (event_writer.py), and `deliver` reads it.

An event of a stream has `epoch` and `sequence` (its offset). Two kinds of events have neither: a
notice reports that a result could not be recorded yet, and a progress event reports the progress
of a running generation. This module imports only the standard library, because `deliver` loads it
in every cold start.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.protocol.event_types import EventType, Status

MAX_FRAME_BYTES = 32_768  # size of a WebSocket frame in API Gateway
MAX_EVENT_BYTES = MAX_FRAME_BYTES - 512  # space for the rest of the frame
MAX_PROGRESS_BYTES = 4096  # a progress event; there may be one a second
MAX_USER_CHARACTERS = 256
MAX_OFFSET = 10**16 - 1  # the largest number with sixteen digits

PROGRESS: EventType = "herald.generation.progress"
TYPES: dict[Status, EventType] = {
    "PENDING": PROGRESS,
    "COMPLETE": "herald.generation.complete",
    "ERROR": "herald.generation.error",
}

_EPOCH = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MAX_MESSAGE_CHARACTERS = 262_144  # SQS's own limit, in bytes
_FUTURE_SECONDS = 86_400  # an epoch may be ahead of this clock by that much
_KNOWN = tuple(TYPES.values())
_OUTSIDE_STREAM = (  # longest values
    *(("id", 64), ("subject", 64)),
    *(("userid", MAX_USER_CHARACTERS), ("time", 64)),
)
_OF_STREAM = (*_OUTSIDE_STREAM, ("epoch", 36), ("sequence", 64))
_decoded = json.JSONDecoder().decode


class Event(NamedTuple):
    """The fields of an event that delivery uses; `text` is the event exactly as it was
    published.
    """

    id: str
    type: str
    generation_id: str
    user_id: str
    epoch: str | None
    offset: int | None
    recorded_at: float  # epoch seconds
    text: str

    @property
    def is_progress(self) -> bool:
        """Whether the event says how far a running generation is, not how it ended."""
        return self.type == PROGRESS

    @property
    def place(self) -> tuple[str, int]:
        """The sort key of the event among the events of its user. Notices come first."""
        return self.epoch or "", self.offset or 0


def parse(text: str, *, stage: str | None = None) -> Event:
    """Read an event from a queue message.

    Parameters
    ----------
    text
        The event as published, with or without SNS's envelope.
    stage
        The only stage that the event may come from, or None to accept every stage.

    Raises
    ------
    InvalidEvent
        The message is not JSON, or it is too large, or an attribute is missing or invalid. The
        error names the attribute.
    """
    text, event = opened(text)
    if len(text.encode()) > MAX_EVENT_BYTES:
        raise InvalidEvent(f"the event is over {MAX_EVENT_BYTES} bytes")
    if event.get("specversion") != "1.0":
        raise InvalidEvent("specversion is not 1.0")
    kind = event.get("type")
    if kind not in _KNOWN:
        raise InvalidEvent(f"type is not one of Herald's: {str(kind)[:80]!r}")
    if stage is not None and event.get("source") != source(stage):
        raise InvalidEvent(f"source is not {source(stage)}")
    data = _checked_data(event.get("data"))
    placed = "epoch" in event or "sequence" in event
    if kind == PROGRESS:
        _check_progress(text, data, placed=placed)
    if not placed:
        event.setdefault("userid", "")  # only outside the stream may an event have no owner
    for name, most in _OF_STREAM if placed else _OUTSIDE_STREAM:
        _check_text(event, name, most, empty=name == "userid" and not placed)
    epoch, offset = _position(event) if placed else (None, None)
    recorded_at = seconds(event["time"])
    return Event(
        event["id"], kind, event["subject"], event["userid"], epoch, offset, recorded_at, text
    )


def opened(text: str) -> tuple[str, dict[str, Any]]:
    """Return the text and the JSON object of a queue message's event, without checking the event.

    If raw delivery is off, SNS wraps the event in an envelope. The envelope is removed.

    Raises
    ------
    InvalidEvent
        The message cannot be read as a JSON object.
    """
    event = _object(text)
    if event.get("Type") == "Notification" and isinstance(event.get("Message"), str):
        text = event["Message"]
        event = _object(text)
    return text, event


def source(stage: str) -> str:
    """Return the source of a stage's events."""
    return f"herald/{stage}"


def _object(text: str) -> dict[str, Any]:
    if len(text) > _MAX_MESSAGE_CHARACTERS:
        raise InvalidEvent(f"the message is over {_MAX_MESSAGE_CHARACTERS} bytes")
    try:
        text.encode()
        event = _decoded(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidEvent(f"the message is not JSON that can be read: {exc}") from exc
    if not isinstance(event, dict):
        raise InvalidEvent("the message is not a JSON object")
    return event


def _checked_data(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidEvent("data is not an object")
    _check_address("imageUrl", data.get("imageUrl"))
    outputs = data.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise InvalidEvent("data.outputs is not a list of objects")
    for output in outputs:
        _check_address("outputs.url", output.get("url") or "")
    return data


def _check_progress(text: str, data: Mapping[str, object], *, placed: bool) -> None:
    if placed:
        raise InvalidEvent("a progress event has an epoch or a sequence")
    if len(text.encode()) > MAX_PROGRESS_BYTES:
        raise InvalidEvent(f"the progress event is over {MAX_PROGRESS_BYTES} bytes")
    if data.get("status") != "PENDING":
        raise InvalidEvent("data.status of a progress event is not PENDING")
    fraction, step = data.get("progress"), data.get("step")
    if fraction is not None and not _is_fraction(fraction):
        raise InvalidEvent("data.progress is not a number from 0 to 1")
    if step is not None and not isinstance(step, str):
        raise InvalidEvent("data.step is not a string")
    _check_address("previewUrl", data.get("previewUrl"))


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _check_address(name: str, address: object) -> None:
    """Refuse an address that a page would run as a script; null is accepted."""
    if address is not None and not str(address).startswith(("https://", "http://")):
        raise InvalidEvent(f"data.{name} is not an http or https URL")


def _check_text(event: Mapping[str, object], name: str, most: int, *, empty: bool) -> None:
    value = event.get(name)
    if empty and value == "":
        return
    if not isinstance(value, str) or not 0 < len(value) <= most or not _is_unicode(value):
        raise InvalidEvent(f"{name} is missing, not a string or over {most} characters")


def _position(event: Mapping[str, str]) -> tuple[str, int]:
    sequence, epoch = event["sequence"], event["epoch"]
    if not (sequence.isascii() and sequence.isdigit() and 0 < int(sequence[:20]) <= MAX_OFFSET):
        raise InvalidEvent(f"sequence is not an offset: {sequence[:40]!r}")
    # PostgreSQL creates epochs as UUIDv7, which contain the time. The head of a stream is in its
    # highest epoch, so an event with an epoch in the future would remain the head.
    if not _EPOCH.fullmatch(epoch) or began_at(epoch) > time.time() + _FUTURE_SECONDS:
        raise InvalidEvent("epoch is not a UUIDv7 of the past")
    return epoch, int(sequence)


def began_at(epoch: str) -> float:
    """Return the time at which an epoch began, read from its UUIDv7, in seconds since 1970."""
    return int(epoch.replace("-", "")[:12], 16) / 1000


def rfc3339(moment: datetime) -> str:
    """Return a time in the format of events and frames: UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Return an event's time in seconds since 1970; raises InvalidEvent."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as exc:
        raise InvalidEvent("time is not an RFC 3339 time") from exc


def _is_unicode(text: str) -> bool:
    """Whether the text contains no surrogates, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

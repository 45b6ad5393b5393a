"""The event: CloudEvents 1.0 in structured JSON, written where a result is recorded and read where
it is delivered.

An event of a stream carries `epoch` and `sequence` (its offset). A notice, which says that a result
could not be recorded yet, carries neither. Only the standard library is imported: `deliver` starts
with this module.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, NotRequired, TypedDict

from chalicelib.errors import InvalidEvent

MAX_FRAME_BYTES = 32_768  # API Gateway's WebSocket frame
MAX_EVENT_BYTES = MAX_FRAME_BYTES - 512  # room for the frame around it
MAX_USER_CHARACTERS = 256
MAX_OFFSET = 10**16 - 1  # sixteen digits

Status = Literal["PENDING", "COMPLETE", "ERROR"]
TYPES = {"COMPLETE": "herald.generation.complete", "ERROR": "herald.generation.error"}

_IDS = "6f1c43c3-5bb6-5c0c-9a43-0d8b0a0d9d11"  # Herald's own UUID namespace
_EPOCH = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KNOWN = tuple(TYPES.values())
_OF_NOTICE = (("id", 64), ("userid", MAX_USER_CHARACTERS), ("time", 64))  # longest values
_OF_STREAM = (*_OF_NOTICE, ("epoch", 36), ("sequence", 64))
_decoded = json.JSONDecoder().decode


class ErrorDetail(TypedDict):
    """Why a generation failed."""

    code: str
    message: str


class EventData(TypedDict):
    """An event's data: the proposal's message schema, times in RFC 3339."""

    prompt: str | None
    status: Status
    imageUrl: str | None
    imageHeight: int | None
    imageWidth: int | None
    coreModel: str | None
    createdAt: str | None
    updatedAt: str
    error: NotRequired[ErrorDetail | None]  # of status ERROR only
    truncated: NotRequired[bool]  # the prompt was shortened


class Envelope(TypedDict):
    """An event as published; without `epoch` and `sequence` it is a notice."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    userid: NotRequired[str]
    epoch: NotRequired[str]
    sequence: NotRequired[str]
    data: EventData


class Event(NamedTuple):
    """What delivery needs to know of an event; `text` is the event exactly as it was published."""

    id: str
    user_id: str
    epoch: str | None
    offset: int | None
    recorded_at: float  # epoch seconds
    text: str

    @property
    def place(self) -> tuple[str, int]:
        """Where the event sorts among its user's events; notices come first."""
        return self.epoch or "", self.offset or 0


def event_id(generation_id: str, version: int | str) -> str:
    """Return the one id of a generation's version, the same however often it is published."""
    import uuid  # only where events are built: `deliver` must start quickly

    return str(uuid.uuid5(uuid.UUID(_IDS), f"{generation_id}/{version}"))


def envelope(
    data: EventData, *, event_id: str, subject: str, stage: str, user_id: str | None
) -> Envelope:
    """Return an event without a place in a stream; its time is that of its data."""
    event: Envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"herald/{stage}",
        "type": TYPES[data["status"]],
        "subject": subject,
        "time": data["updatedAt"],
        "datacontenttype": "application/json",
        "data": data,
    }
    if user_id is not None:
        event["userid"] = user_id
    return event


def dump(event: Envelope) -> str:
    """Return an event as it is published.

    An event that would not fit a frame has its prompt shortened and `data.truncated` set.
    """
    text = _json(event)
    prompt = event["data"]["prompt"]
    if prompt is None or len(text.encode()) <= MAX_EVENT_BYTES:
        return text
    data = event["data"]
    data["truncated"] = True

    def size(length: int) -> int:
        data["prompt"] = prompt[:length]
        return len(_json(event).encode())

    # The size grows with the prompt's length, so bisection finds the longest that fits.
    longest = bisect_right(range(len(prompt) + 1), MAX_EVENT_BYTES, key=size) - 1
    data["prompt"] = prompt[: max(longest, 0)]
    return _json(event)


def rfc3339(time: datetime) -> str:
    """Return a time as events and frames have it: UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> Event:
    """Read an event from a queue message.

    Raises
    ------
    InvalidEvent
        The message is not JSON, too large, or an attribute is missing or of the wrong kind. The
        message names it.
    """
    if len(text.encode("utf-8", "replace")) > MAX_EVENT_BYTES:
        raise InvalidEvent(f"the event is over {MAX_EVENT_BYTES} bytes")
    try:
        event = _decoded(text)
    except ValueError as exc:
        raise InvalidEvent(f"the message is not JSON: {exc}") from exc
    if not isinstance(event, dict):
        raise InvalidEvent("the message is not a JSON object")
    if event.get("specversion") != "1.0":
        raise InvalidEvent("specversion is not 1.0")
    if event.get("type") not in _KNOWN:
        raise InvalidEvent(f"type is not one of Herald's: {str(event.get('type'))[:80]!r}")
    if not isinstance(event.get("data"), dict):
        raise InvalidEvent("data is not an object")
    placed = "epoch" in event or "sequence" in event
    for name, most in _OF_STREAM if placed else _OF_NOTICE:
        value = event.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            if name == "userid" and not placed and name not in event:
                event[name] = ""  # only a notice may lack its owner
                continue
            raise InvalidEvent(f"{name} is missing, not a string or over {most} characters")
    epoch, offset = _position(event) if placed else (None, None)
    return Event(event["id"], event["userid"], epoch, offset, _seconds(event["time"]), text)


def _position(event: Mapping[str, str]) -> tuple[str, int]:
    sequence, epoch = event["sequence"], event["epoch"]
    if not (sequence.isascii() and sequence.isdigit() and 0 < int(sequence[:20]) <= MAX_OFFSET):
        raise InvalidEvent(f"sequence is not an offset: {sequence[:40]!r}")
    if not _EPOCH.fullmatch(epoch):
        raise InvalidEvent("epoch is not a UUID")
    return epoch, int(sequence)


def _seconds(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError as exc:
        raise InvalidEvent("time is not an RFC 3339 time") from exc


def _json(event: Envelope) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))

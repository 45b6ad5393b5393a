"""The event: CloudEvents 1.0 in structured JSON, built where the result is recorded, read where
it is delivered.

An event of a stream carries `epoch` and `sequence` (its offset). A notice, which tells that a
result could not be recorded, carries neither. Nothing here imports more than the standard
library: `deliver` needs it.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from chalicelib.errors import InvalidEvent

MAX_FRAME_BYTES = 32_768  # API Gateway's WebSocket frame
MAX_EVENT_BYTES = MAX_FRAME_BYTES - 512  # room for the frame around it
MAX_USER_CHARACTERS = 256
MAX_OFFSET = 10**16 - 1  # sixteen digits, in the inbox's sort key

_IDS = "6f1c43c3-5bb6-5c0c-9a43-0d8b0a0d9d11"  # Herald's own UUID namespace
_EPOCH = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TYPES = {"COMPLETE": "herald.generation.complete", "ERROR": "herald.generation.error"}
_KNOWN = tuple(_TYPES.values())
_OF_NOTICE = (("id", 64), ("userid", MAX_USER_CHARACTERS), ("time", 64))  # at most so long
_OF_STREAM = (*_OF_NOTICE, ("epoch", 36), ("sequence", 64))
_decoded = json.JSONDecoder().decode
_FIELDS = {  # the proposal's message schema, and where the database keeps it
    "prompt": "prompt",
    "status": "status",
    "imageUrl": "image_url",
    "imageHeight": "image_height",
    "imageWidth": "image_width",
    "coreModel": "core_model",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}


class Event(NamedTuple):
    """What delivery needs to know of an event; `text` is the event exactly as it was published."""

    id: str
    user_id: str
    epoch: str | None
    offset: int | None
    recorded_at: float  # epoch seconds
    text: str


def event_id(generation_id: str, version: int | str) -> str:
    """Return the one id of a generation's version, the same however often it is published."""
    import uuid  # only where events are built: `deliver` shall start quickly

    return str(uuid.uuid5(uuid.UUID(_IDS), f"{generation_id}/{version}"))


def build(generation: Mapping[str, Any], *, stage: str, epoch: str, offset: int) -> str:
    """Return the event of a recorded result; `generation` is its database row.

    An event that would not fit a frame has its prompt shortened and `data.truncated` set.
    """
    data = {name: _plain(generation[column]) for name, column in _FIELDS.items()}
    if generation["status"] == "ERROR":
        data["error"] = generation["error"]
    envelope = {
        "specversion": "1.0",
        "id": event_id(str(generation["id"]), generation["version"]),
        "source": f"herald/{stage}",
        "type": _TYPES[generation["status"]],
        "subject": str(generation["id"]),
        "time": _plain(generation["updated_at"]),
        "datacontenttype": "application/json",
        "userid": generation["user_id"],
        "epoch": epoch,
        "sequence": str(offset),
        "data": data,
    }
    return _fitted(envelope)


def build_notice(generation_id: str, user_id: str | None, *, stage: str, now: datetime) -> str:
    """Return the notice that a generation's result could not be recorded; the provider will call
    again.

    Every notice of one generation has the same id. Without a known owner it has no `userid`: it
    reaches the topic's subscribers, but no page.
    """
    data: dict[str, object] = dict.fromkeys(_FIELDS)
    data.update(
        status="ERROR",
        updatedAt=_plain(now),
        error={
            "code": "not_recorded",
            "message": "The result could not be recorded yet. It will be tried again.",
        },
    )
    envelope: dict[str, object] = {
        "specversion": "1.0",
        "id": event_id(generation_id, "notice"),
        "source": f"herald/{stage}",
        "type": _TYPES["ERROR"],
        "subject": generation_id,
        "time": _plain(now),
        "datacontenttype": "application/json",
        "data": data,
    }
    if user_id is not None:
        envelope["userid"] = user_id
    return _dump(envelope)


def rfc3339(time: datetime) -> str:
    """Return a time as events and frames have it: UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attributes(text: str) -> dict[str, str]:
    """Return the SNS attributes of an event: only what says nothing of its owner, since SNS
    does not encrypt them.
    """
    event = json.loads(text)
    return {"type": event["type"], "status": event["data"]["status"]}


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
    epoch, offset = _place(event) if placed else (None, None)
    return Event(event["id"], event["userid"], epoch, offset, _seconds(event["time"]), text)


def _place(event: Mapping[str, str]) -> tuple[str, int]:
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


def _fitted(envelope: dict[str, Any]) -> str:
    text = _dump(envelope)
    if len(text.encode()) <= MAX_EVENT_BYTES:
        return text
    data = envelope["data"]
    prompt = data["prompt"]
    data["truncated"] = True

    def size(length: int) -> int:
        data["prompt"] = prompt[:length]
        return len(_dump(envelope).encode())

    # The size grows with the prompt's length, so the longest that fits is found by bisection.
    longest = bisect_right(range(len(prompt) + 1), MAX_EVENT_BYTES, key=size) - 1
    data["prompt"] = prompt[: max(longest, 0)]
    return _dump(envelope)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value


def _dump(envelope: Mapping[str, Any]) -> str:
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))

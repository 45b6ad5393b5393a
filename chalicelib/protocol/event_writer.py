"""Writes events, and makes them fit what carries them."""

from __future__ import annotations

import json
from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING

from chalicelib.protocol.events import MAX_EVENT_BYTES, MAX_PROGRESS_BYTES, TYPES, source

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.protocol.event_types import Envelope, EventData

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def event_id(generation_id: str, version: int | str) -> str:
    """Return the event id of a generation's version. It stays the same if the event is published
    again.

    It is a UUID of version 8 (RFC 9562, section 5.8): the start of a SHA-256, with fixed digits for
    version and variant. PostgreSQL can compute it, too (recording/generation_events.py).
    """
    digits = sha256(f"{generation_id}/{version}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def envelope(
    data: EventData, *, event_id: str, subject: str, stage: str, user_id: str | None
) -> Envelope:
    """Return an event without epoch and sequence; its `time` comes from its data."""
    event: Envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": source(stage),
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
    """Return a notice as it is published."""
    return fitted(_json(event))


def fitted(text: str) -> str:
    """Return an event's text as it is published, always the same for the same text.

    SQS accepts only the characters of XML 1.0, so U+FFFE and U+FFFF, which occur only inside
    strings, are escaped. If the event would exceed the size of a frame, it loses outputs from the
    end, then the end of its prompt, and `data.truncated` is set.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    text = _escaped(text)
    if _bytes(text) <= MAX_EVENT_BYTES:
        return text
    event: Envelope = json.loads(text)
    data = event["data"]
    data["truncated"] = True
    if outputs := data.get("outputs"):
        _keep_most(event, len(outputs), lambda kept: data.update({"outputs": outputs[:kept]}))
    if prompt := data["prompt"]:
        _keep_most(event, len(prompt), lambda kept: data.update({"prompt": prompt[:kept]}))
    return _json(event)


def _keep_most(event: Envelope, length: int, keep: Callable[[int], None]) -> None:
    """Keep as much of the start of a field as fits into the event, at most `length`."""

    def size(kept: int) -> int:
        keep(kept)
        return len(_json(event).encode())

    # The size grows with the length, so bisection finds the most that fits.
    keep(max(bisect_right(range(length + 1), MAX_EVENT_BYTES, key=size) - 1, 0))


def dump_progress(event: Envelope) -> str:
    """Return a progress event as it is published.

    If it would be too large, it loses its preview, then its step.
    """
    for name in ("previewUrl", "step"):
        text = _json(event)
        if len(text.encode()) <= MAX_PROGRESS_BYTES:
            return text
        event["data"][name] = None
    return _json(event)


def _json(event: Envelope) -> str:
    """Return an event's text. json.dumps escapes control characters, and this function also
    escapes surrogates.
    """
    return _escaped(_encode(event).encode(errors="backslashreplace").decode())


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _escaped(text: str) -> str:
    if text.isascii():
        return text
    return text.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")

"""Writes events: `callback` builds them, and the outbox keeps them as text."""

from __future__ import annotations

import json
from bisect import bisect_right
from hashlib import sha1
from typing import TYPE_CHECKING

from chalicelib.protocol.events import MAX_EVENT_BYTES, MAX_PROGRESS_BYTES, TYPES, source

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.protocol.event_types import Envelope, EventData

_IDS = bytes.fromhex("6f1c43c35bb65c0c9a430d8b0a0d9d11")  # Herald's UUID namespace
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def event_id(generation_id: str, version: int | str) -> str:
    """Return the event id of a generation's version. It stays the same if the event is published
    again.

    It is a UUID of version 5 (RFC 9562, section 5.5): the SHA-1 of namespace and name, with four
    bits for the version and two for the variant. `uuid.uuid5` returns the same, but is slower.
    """
    digest = sha1(_IDS + f"{generation_id}/{version}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


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
    """Return an event as it is published.

    If the event would exceed the size of a frame, it loses outputs from the end, then the end of
    its prompt, and `data.truncated` is set.
    """
    text = _json(event)
    if len(text.encode()) <= MAX_EVENT_BYTES:
        return text
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
    """Return an event's text with only the characters that SQS accepts, which are those of XML 1.0.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    json.dumps escapes control characters. The other forbidden characters, surrogates, U+FFFE and
    U+FFFF, occur only inside strings and are escaped here.
    """
    text = _encode(event)
    text = text.encode(errors="backslashreplace").decode()  # surrogates
    return text.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")

"""Server frames, complete as the contract requires. Times are in seconds unless named otherwise."""

from __future__ import annotations

import uuid
from typing import Any

Frame = dict[str, Any]

EPOCH = "01960000-0000-7000-8000-000000000001"
LATER_EPOCH = "01970000-0000-7000-8000-000000000002"
# What API Gateway itself sends when a function fails or requests are throttled.
GATEWAY_MESSAGE: Frame = {"message": "Limit Exceeded", "connectionId": "c1", "requestId": "r1"}

PING_SECONDS = 270
KEEPALIVE_SECONDS = 510
LIFETIME_SECONDS = 6_600

_NAMESPACE = uuid.UUID(int=0)
_names: dict[str, str] = {}
_NOTHING = dict.fromkeys(
    ("prompt", "imageUrl", "imageHeight", "imageWidth", "coreModel", "createdAt")
)


def welcome(re: object, head: int, **fields: Any) -> Frame:
    """The answer to hello. The credential of these connections does not expire."""
    return {
        "type": "welcome",
        "re": re,
        "connection": "c1",
        "time": moment(0),
        "stream": {"epoch": EPOCH if head else None, "head": head},
        "recovered": False,
        "replaying": 0,
        "ping_ms": PING_SECONDS * 1000,
        "lifetime_ms": LIFETIME_SECONDS * 1000,
        "token_ms": None,
        "max_frame": 32_768,
        **fields,
    }


def event(
    offset: int,
    *,
    epoch: str = EPOCH,
    replayed: bool = False,
    name: str = "",
    generation: str = "",
) -> Frame:
    """The result at an offset; its id is `event-<offset>` unless named otherwise."""
    data = {**_NOTHING, "status": "COMPLETE", "imageUrl": "https://images.example.com/1.png"}
    inner = _inner(name or f"event-{offset}", generation or f"generation-{offset}", data, offset)
    inner |= {"type": "herald.generation.complete", "epoch": epoch, "sequence": str(offset)}
    return {
        "type": "event", "epoch": epoch, "offset": offset, "replayed": replayed, "event": inner,
    }  # fmt: skip


def events(*items: Frame) -> Frame:
    """Several events in one frame."""
    return {"type": "events", "items": list(items)}


def replay(first: int, last: int) -> Frame:
    """The replayed events from `first` to `last`."""
    return events(*(event(offset, replayed=True) for offset in range(first, last + 1)))


def notice(name: str, generation: str) -> Frame:
    """An event outside the stream: a result could not be recorded yet."""
    error = {"code": "not_recorded", "message": "The result could not be recorded yet."}
    inner = _inner(name, generation, {**_NOTHING, "status": "ERROR", "error": error}, 0)
    return _outside({**inner, "type": "herald.generation.error"})


def progress(generation: str, second: int) -> Frame:
    """Progress of a generation at a second; its id is `<generation>@<second>`."""
    fields = {"progress": 0.5, "step": None, "previewUrl": None}
    data = {**_NOTHING, "status": "PENDING", **fields}
    inner = _inner(f"{generation}@{second}", generation, data, second)
    return _outside({**inner, "type": "herald.generation.progress"})


def caught_up(re: object, offset: int) -> Frame:
    return {"type": "caught_up", "re": re, "offset": offset}


def gap(re: object, requested: Any, head: int, **fields: Any) -> Frame:
    """The answer if the events after a cursor cannot be replayed."""
    place = {"epoch": EPOCH, "earliest": head + 1, "head": head, "reason": "expired"}
    return {"type": "gap", "re": re, "requested": requested, **place, **fields}


def pong(re: object, head: int, epoch: str | None = EPOCH) -> Frame:
    return {"type": "pong", "re": re, "epoch": epoch, "head": head}


def auth_ok(re: object, token_ms: int) -> Frame:
    return {"type": "auth_ok", "re": re, "token_ms": token_ms}


def error(re: object, code: int, name: str, retry_after: float = 0) -> Frame:
    wait = int(retry_after * 1000)
    return {
        "type": "error", "re": re, "code": code, "name": name, "message": name,
        "retry_after_ms": wait,
    }  # fmt: skip


def close(code: int, name: str, reconnect: str, retry_after: float = 0) -> Frame:
    wait = int(retry_after * 1000)
    return {
        "type": "close", "code": code, "name": name, "reconnect": reconnect,
        "retry_after_ms": wait,
    }  # fmt: skip


def moment(second: int) -> str:
    """The time that is `second` seconds after a fixed one; at most an hour."""
    minutes, seconds = divmod(second, 60)
    return f"2026-01-01T00:{minutes:02}:{seconds:02}.000Z"


def identity(name: str) -> str:
    """The UUID that frames have instead of a name."""
    found = str(uuid.uuid5(_NAMESPACE, name))
    _names[found] = name
    return found


def name_of(found: str) -> str:
    """The name of a UUID, which people can read."""
    return _names.get(found, found)


def _inner(name: str, generation: str, data: Frame, second: int) -> Frame:
    time = moment(second)
    return {
        "specversion": "1.0",
        "id": identity(name),
        "source": "herald/conformance",
        "type": "",
        "subject": identity(generation),
        "time": time,
        "datacontenttype": "application/json",
        "userid": "alice",
        "data": {**data, "updatedAt": time},
    }


def _outside(inner: Frame) -> Frame:
    return {"type": "event", "epoch": None, "offset": None, "replayed": False, "event": inner}

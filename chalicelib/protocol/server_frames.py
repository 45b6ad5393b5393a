"""The frames of herald.v1 that the server sends, as JSON text. docs/protocol.md specifies them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.protocol.events import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chalicelib.protocol.frame_types import (
        FrameId,
        GapReason,
        Reconnect,
        Requested,
        ServerFrame,
        Welcome,
    )

SUBPROTOCOL = "herald.v1"
PING_MS = 270_000  # shorter than API Gateway's idle timeout of ten minutes
# shorter than API Gateway's limit of two hours, so that a client can open its next connection first
LIFETIME_MS = 6_600_000


class Code(NamedTuple):
    """A reason for refusing a frame or closing a connection, and whether the client should
    reconnect at once, after a backoff or never.
    """

    code: int
    name: str
    reconnect: Reconnect


FORBIDDEN = Code(4003, "forbidden", "never")
UNAUTHORIZED = Code(4009, "unauthorized", "never")
REVOKED = Code(4011, "revoked", "never")
BAD_FRAME = Code(4012, "bad_frame", "never")
NOT_CANCELABLE = Code(4013, "not_cancelable", "never")
TOO_MANY_CONNECTIONS = Code(4014, "too_many_connections", "never")
OVERLOADED = Code(4100, "overloaded", "backoff")
RATE_LIMITED = Code(4102, "rate_limited", "backoff")
TOKEN_EXPIRED = Code(4202, "token_expired", "now")


def event(text: str, epoch: str | None, offset: int | None, *, replayed: bool) -> str:
    """Return the frame of one event. The event's text is not changed. `epoch` is a UUID."""
    place = (
        '"epoch":null,"offset":null' if epoch is None else f'"epoch":"{epoch}","offset":{offset}'
    )
    again = "true" if replayed else "false"
    return f'{{"type":"event",{place},"replayed":{again},"event":{text}}}'


def events(items: Iterable[str]) -> Iterator[str]:
    """Yield `events` frames that contain the given event frames in order. No frame exceeds
    MAX_FRAME_BYTES.
    """
    opening, closing = '{"type":"events","items":[', "]}"
    around = len(opening) + len(closing)
    taken: list[str] = []
    size = around
    for item in items:
        length = len(item.encode()) + 1
        if taken and size + length > MAX_FRAME_BYTES:
            yield opening + ",".join(taken) + closing
            taken, size = [], around
        taken.append(item)
        size += length
    if taken:
        yield opening + ",".join(taken) + closing


def packed(items: Sequence[str]) -> list[str]:
    """Return the smallest number of frames for some event frames; a single event frame is returned
    unchanged.
    """
    return list(items) if len(items) == 1 else list(events(items))


def welcome(
    re: FrameId,
    *,
    connection: str,
    time: str,
    epoch: str | None,
    head: int,
    recovered: bool,
    replaying: int,
    token_ms: int | None,
    keepalive_ms: int = 0,
) -> str:
    """Return the answer to `hello`; `token_ms` is null for a credential that never expires.

    `keepalive_ms` is 0 if the API has no route for keepalives. The frame then has no such field.
    """
    frame: Welcome = {
        "type": "welcome",
        "re": re,
        "connection": connection,
        "time": time,
        "stream": {"epoch": epoch, "head": head},
        "recovered": recovered,
        "replaying": replaying,
        "ping_ms": PING_MS,
        "lifetime_ms": LIFETIME_MS,
        "token_ms": token_ms,
        "max_frame": MAX_FRAME_BYTES,
    }
    if keepalive_ms:
        frame["keepalive_ms"] = keepalive_ms
    return dump(frame)


def caught_up(re: FrameId, offset: int) -> str:
    """Return the last frame of a replay; `offset` is the highest replayed offset."""
    return dump({"type": "caught_up", "re": re, "offset": offset})


def gap(
    re: FrameId,
    *,
    requested: Requested,
    epoch: str | None,
    earliest: int,
    head: int,
    reason: GapReason,
) -> str:
    """Return the frame that reports missing events. It is sent instead of a replay."""
    return dump(
        {
            "type": "gap",
            "re": re,
            "requested": requested,
            "epoch": epoch,
            "earliest": earliest,
            "head": head,
            "reason": reason,
        }
    )


def pong(re: FrameId, *, epoch: str | None, head: int) -> str:
    """Return the answer to ping."""
    return dump({"type": "pong", "re": re, "epoch": epoch, "head": head})


def auth_ok(re: FrameId, token_ms: int) -> str:
    """Return the answer to an `auth` frame with a valid token."""
    return dump({"type": "auth_ok", "re": re, "token_ms": token_ms})


def cancel_ok(re: FrameId, generation: str) -> str:
    """Return the answer to a `cancel` frame: the generation has ended as canceled."""
    return dump({"type": "cancel_ok", "re": re, "generation": generation})


def error(re: FrameId, code: Code, message: str, retry_after_ms: int = 0) -> str:
    """Return the frame that refuses a client's frame or reports a fault. The connection stays
    open.
    """
    return dump(
        {
            "type": "error",
            "re": re,
            "code": code.code,
            "name": code.name,
            "message": message,
            "retry_after_ms": retry_after_ms,
        }
    )


def close(code: Code, retry_after_ms: int = 0) -> str:
    """Return the last frame before the server closes the connection.

    The frame tells the client the reason, because API Gateway cannot send WebSocket close codes.
    """
    return dump(
        {
            "type": "close",
            "code": code.code,
            "name": code.name,
            "reconnect": code.reconnect,
            "retry_after_ms": retry_after_ms,
        }
    )


def dump(frame: ServerFrame) -> str:
    """Return a frame as JSON text."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))

"""How the client reacts to the ways in which a connection ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from herald_client.events import Frame

BAD_FRAME = 4012
OVERLOADED = 4100
RATE_LIMITED = 4102
_FINAL_STATUSES = {400: "bad_request", 403: "forbidden_origin"}

Reconnect = Literal["never", "backoff", "now"]


class Ending(NamedTuple):
    """Why a connection ended, and whether to reconnect; `retry_after` is in seconds."""

    reconnect: Reconnect
    message: str = ""
    name: str = "disconnected"
    code: int | None = None
    retry_after: float = 0.0


def closing(frame: Frame) -> Ending:
    """Return the ending that a `close` frame announces."""
    reconnect = frame.get("reconnect")
    if reconnect not in ("never", "backoff", "now"):
        reconnect = by_code(frame["code"])
    retry_after = frame.get("retry_after_ms", 0) / 1000
    name = frame.get("name", "closed")
    return Ending(reconnect, "Herald closed the connection", name, frame["code"], retry_after)


def refusal(frame: Frame) -> Ending:
    """Return the ending after an `error` frame that refuses hello."""
    reconnect: Reconnect = "never" if by_code(frame["code"]) == "never" else "backoff"
    retry_after = frame.get("retry_after_ms", 0) / 1000
    return Ending(reconnect, "hello was refused", frame["name"], frame["code"], retry_after)


def by_status(status: int) -> Ending:
    """Return the ending after an HTTP error status.

    401 is not final: the next attempt sends a fresh token.
    """
    message = f"Herald refused the connection with HTTP status {status}"
    if status in _FINAL_STATUSES:
        return Ending("never", message, _FINAL_STATUSES[status], status)
    return Ending("backoff", message, "refused", status)


def by_code(code: int) -> Reconnect:
    """Return the reaction to a code, which its range determines."""
    if 4000 <= code < 4100:
        return "never"
    return "now" if 4200 <= code < 4300 else "backoff"

"""The types of the frames that the server sends. Nothing imports this module at run time: it is for
type checkers, and for the contract (contracts/). See event_types.py for their form.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from chalicelib.protocol.event_types import Envelope, Epoch, Offset, Time, Uuid

FrameId = int | str | None
GapReason = Literal["expired", "epoch_changed", "ahead", "limit"]
Milliseconds = Annotated[int, Field(ge=0)]
Reconnect = Literal["now", "backoff", "never"]


AnswerToHello = Annotated[FrameId, Field(json_schema_extra={"x-answers": ["hello"]})]
AnswerToPing = Annotated[FrameId, Field(json_schema_extra={"x-answers": ["ping"]})]
AnswerToAuth = Annotated[FrameId, Field(json_schema_extra={"x-answers": ["auth"]})]
AnswerToCancel = Annotated[FrameId, Field(json_schema_extra={"x-answers": ["cancel"]})]
EndOfReplay = Annotated[FrameId, Field(json_schema_extra={"x-answers": ["hello", "history"]})]


class Stream(TypedDict):
    """The end of the user's stream."""

    epoch: Epoch | None
    """The current numbering; null for a stream without events."""
    head: Offset
    """The highest offset that is stored; 0 for a stream without events."""


class Welcome(TypedDict):
    """The answer to `hello`."""

    type: Literal["welcome"]
    """The frame's type."""
    re: AnswerToHello
    """The `id` of the `hello`."""
    connection: str
    """The connection's id, as in Herald's logs."""
    time: Time
    """The server's time."""
    stream: Stream
    """The end of the user's stream. If you have no cursor, use this as the cursor."""
    recovered: bool
    """Whether the server can replay from the cursor in `hello`."""
    replaying: Annotated[int, Field(ge=0)]
    """The number of stream events that are replayed after this frame."""
    ping_ms: Milliseconds
    """If there is no `keepalive_ms`, send a `ping` at least this often."""
    keepalive_ms: NotRequired[Milliseconds]
    """Send a message at least this often: a `keepalive` or, every second time, a `ping`. The field
    is missing if the API does not accept keepalives."""
    lifetime_ms: Milliseconds
    """Open the next connection before this time has passed."""
    token_ms: Milliseconds | None
    """How long the credential remains valid; null if it does not expire."""
    max_frame: Annotated[int, Field(ge=1)]
    """The largest frame that the server sends, in bytes."""


class EventFrame(TypedDict):
    """One event, live or replayed."""

    type: Literal["event"]
    """The frame's type."""
    epoch: Epoch | None
    """The numbering that the offset belongs to; null for a notice and a progress event."""
    offset: Annotated[int, Field(ge=1)] | None
    """The event's number in the user's stream; null if the epoch is null."""
    replayed: bool
    """Whether the event is part of a replay."""
    event: Annotated[Envelope, Field(json_schema_extra={"required": ["userid"]})]
    """The event, exactly as it was published."""


class Events(TypedDict):
    """Several events, oldest first."""

    type: Literal["events"]
    """The frame's type."""
    items: Annotated[list[EventFrame], Field(min_length=1)]
    """Complete `event` frames."""


class CaughtUp(TypedDict):
    """A replay is complete."""

    type: Literal["caught_up"]
    """The frame's type."""
    re: EndOfReplay
    """The `id` of the `hello` or `history` that this frame answers."""
    offset: Offset
    """The highest offset that was replayed."""


class Requested(TypedDict):
    """The cursor in the client's frame."""

    epoch: NotRequired[Epoch]
    """The cursor's epoch, if it has one."""
    offset: Offset
    """The cursor's offset."""


class Gap(TypedDict):
    """The requested events cannot be replayed. Reload your state, and continue from the head."""

    type: Literal["gap"]
    """The frame's type."""
    re: EndOfReplay
    """The `id` of the `hello` or `history` that this frame answers."""
    requested: Requested
    """The cursor in the `hello` or `history`."""
    epoch: Epoch | None
    """The stream's current numbering."""
    earliest: Offset
    """The lowest offset that is still stored, or `head` + 1."""
    head: Offset
    """The highest offset that is stored."""
    reason: GapReason
    """Why nothing was replayed."""


class Pong(TypedDict):
    """The answer to `ping`. If the head is above your cursor, you have missed events."""

    type: Literal["pong"]
    """The frame's type."""
    re: AnswerToPing
    """The `id` of the `ping`."""
    epoch: Epoch | None
    """The stream's current numbering."""
    head: Offset
    """The highest offset that is stored."""


class AuthOk(TypedDict):
    """The new token is in use."""

    type: Literal["auth_ok"]
    """The frame's type."""
    re: AnswerToAuth
    """The `id` of the `auth`."""
    token_ms: Milliseconds
    """How long the new token remains valid."""


class CancelOk(TypedDict):
    """The generation was canceled."""

    type: Literal["cancel_ok"]
    """The frame's type."""
    re: AnswerToCancel
    """The `id` of the `cancel`."""
    generation: Uuid
    """The generation's id."""


class Error(TypedDict):
    """A frame was refused, or an event could not be stored. The connection stays open."""

    type: Literal["error"]
    """The frame's type."""
    re: FrameId
    """The `id` of the refused frame; null if the frame had no valid `id`, or if the error is not a
    response."""
    code: int
    """The reason. The code's range determines how to react, even if the code is not listed."""
    name: str
    """The code's name."""
    message: str
    """A sentence for developers that names the invalid field."""
    retry_after_ms: Milliseconds
    """Wait at least this long before you send the frame again."""


class Close(TypedDict):
    """The last frame before the server closes the connection."""

    type: Literal["close"]
    """The frame's type."""
    code: int
    """The reason. The code's range determines how to react, even if the code is not listed."""
    name: str
    """The code's name."""
    reconnect: Reconnect
    """Whether to reconnect immediately, with backoff, or not at all."""
    retry_after_ms: Milliseconds
    """Wait at least this long before you reconnect."""


ServerFrame = (
    Welcome | EventFrame | Events | CaughtUp | Gap | Pong | AuthOk | CancelOk | Error | Close
)

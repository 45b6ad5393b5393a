"""What the client hands to the application: events, progress and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Self, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPLETE = "herald.generation.complete"
ERROR = "herald.generation.error"
PROGRESS = "herald.generation.progress"

Frame = dict[str, Any]
State = Literal["connecting", "live", "catching_up", "offline"]
LoadReason = Literal["start", "gap", "error"]


class Failure(TypedDict):
    """Why a generation failed; the codes are listed in docs/protocol.md, others may be added."""

    code: str
    message: str
    providerCode: NotRequired[str]


class Output(TypedDict):
    """A file of a generation; null means unknown."""

    kind: str
    url: str
    contentType: str | None
    width: int | None
    height: int | None
    durationMs: int | None
    bytes: int | None
    expiresAt: str | None
    safe: bool | None


class Data(TypedDict):
    """The generation's result, with the names of the wire. Sizes are in pixels, times RFC 3339."""

    status: Literal["PENDING", "COMPLETE", "ERROR"]
    prompt: str | None
    imageUrl: str | None
    imageHeight: int | None
    imageWidth: int | None
    coreModel: str | None
    createdAt: str | None
    updatedAt: str
    error: NotRequired[Failure]
    outputsNotKept: NotRequired[int]
    outputs: NotRequired[list[Output]]
    truncated: NotRequired[bool]


class ProgressData(TypedDict):
    """How far a generation is: `progress` is 0 to 1. Each field may be null."""

    progress: float | None
    step: str | None
    previewUrl: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A result of a generation, or a notice that a result could not be recorded yet.

    Attributes
    ----------
    id
        The same each time the event arrives.
    type
        `herald.generation.complete` or `herald.generation.error`; others may be added.
    generation
        The id of the generation: the CloudEvent's `subject`.
    epoch, offset
        The place in the user's stream, or None for a notice.
    replayed
        Whether the event was replayed, and did not arrive live.
    raw
        The complete CloudEvent.
    """

    id: str
    type: str
    generation: str
    data: Data
    epoch: str | None
    offset: int | None
    replayed: bool
    raw: Mapping[str, Any]

    @property
    def is_notice(self) -> bool:
        """Whether the generation is still open: its result arrives later, as another event."""
        return self.offset is None

    @property
    def time(self) -> datetime:
        """When the result was recorded."""
        return datetime.fromisoformat(self.raw["time"])

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """Return the event of an `event` frame."""
        event = frame["event"]
        place = frame["epoch"], frame["offset"], bool(frame.get("replayed"))
        kind = event.get("type", "")
        return cls(event["id"], kind, event["subject"], event.get("data", {}), *place, event)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running generation is; newer than all earlier progress of that generation."""

    generation: str
    data: ProgressData
    raw: Mapping[str, Any]

    @property
    def time(self) -> datetime:
        """When the provider reported it."""
        return datetime.fromisoformat(self.raw["time"])

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """Return the progress of an `event` frame."""
        event = frame["event"]
        return cls(event["subject"], event.get("data", {}), event)


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that will not be replayed. The client calls `load` after it reports a gap.

    `reason` is `expired`, `epoch_changed`, `ahead` or `limit`, as in docs/protocol.md, or `missing`
    if the client gave up an event after ten minutes.
    """

    reason: str
    epoch: str | None
    head: int
    requested: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong, and the client goes on.

    `name` is the name of the code that Herald sent, or `disconnected`, `refused` (by an HTTP
    status), `token_failed`, `position_not_read` or
    `position_not_stored`. `code` is Herald's code or the HTTP status.
    """

    name: str
    message: str
    code: int | None = None
    cause: BaseException | None = None

"""The types of events. Nothing imports this module at run time: it is for type checkers, and for
the contract (contracts/).

The contract's schemas are made from these types with pydantic, which accepts only the TypedDict of
typing_extensions before Python 3.12. The text below a field is the field's description.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

Epoch = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Offset = Annotated[int, Field(ge=0)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Url = Annotated[str, Field(pattern="^https?://")]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]

Status = Literal["PENDING", "COMPLETE", "ERROR"]
EventType = Literal[
    "herald.generation.complete", "herald.generation.error", "herald.generation.progress"
]


class ErrorDetail(TypedDict):
    """Why a generation failed."""

    code: str
    """The reason. Accept codes that are not listed."""
    message: str
    """A sentence for people to read."""
    providerCode: NotRequired[str]
    """The provider's own code, if it has one."""


class Output(TypedDict):
    """One file that a generation produced. Except for `kind` and `url`, unknown fields are null."""

    kind: str
    """The kind of file; `model` is a 3D model. Accept kinds that are not listed."""
    url: Url
    """The address of the file."""
    contentType: str | None
    """The media type."""
    width: int | None
    """The width in pixels."""
    height: int | None
    """The height in pixels."""
    durationMs: Annotated[int, Field(ge=0)] | None
    """The duration of audio or video in milliseconds."""
    bytes: Annotated[int, Field(ge=0)] | None
    """The file's size in bytes."""
    expiresAt: Time | None
    """When the URL stops working."""
    safe: bool | None
    """False if the provider's safety check flagged the file."""


class EventData(TypedDict):
    """The generation. In a notice and in a progress event, the fields of the result are null."""

    prompt: str | None
    """The prompt of the row."""
    status: Status
    """PENDING in a progress event, otherwise COMPLETE or ERROR."""
    imageUrl: Url | None
    """The first picture."""
    imageHeight: int | None
    """The height in pixels that the provider reported, otherwise the height in the row."""
    imageWidth: int | None
    """The width in pixels that the provider reported, otherwise the width in the row."""
    coreModel: str | None
    """The model."""
    createdAt: Time | None
    """When the row was inserted."""
    updatedAt: Time
    """When the result, the notice or the progress was recorded."""
    error: NotRequired[ErrorDetail]
    """Why the generation failed; only if the status is ERROR."""
    outputsNotKept: NotRequired[Annotated[int, Field(ge=1)]]
    """The number of files that are missing: they have no URL, and Herald does not keep outputs."""
    outputs: NotRequired[list[Output]]
    """All files, if they are known. `imageUrl` is the first picture among them."""
    truncated: NotRequired[bool]
    """True if Herald removed outputs or cut the prompt because the event was too large."""
    progress: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]
    """The progress from 0 to 1. Only progress events have `progress`, `step` and `previewUrl`."""
    step: NotRequired[str | None]
    """The provider's text for the current step."""
    previewUrl: NotRequired[Url | None]
    """A preliminary picture."""


class Envelope(TypedDict):
    """A CloudEvents 1.0 event about one generation.

    An event of the user's stream has `epoch` and `sequence`. A notice (the result could not be
    recorded yet) and a progress event have neither.
    """

    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: Uuid
    """The event's id, the same each time the event arrives. Use it to recognize duplicates."""
    source: Annotated[str, Field(pattern="^herald/")]
    """`herald/` and the stage."""
    type: EventType
    """What happened. Ignore types that are not listed."""
    subject: Uuid
    """The generation's id."""
    time: Time
    """The same as `data.updatedAt`."""
    datacontenttype: Literal["application/json"]
    """The media type of `data`."""
    userid: NotRequired[str]
    """The owner. A notice without a `userid` reaches the topic's subscribers, but no clients."""
    epoch: NotRequired[Epoch]
    """The numbering that the sequence belongs to, a UUIDv7."""
    sequence: NotRequired[Annotated[str, Field(pattern="^[1-9][0-9]*$")]]
    """The offset in the user's stream, as a string."""
    data: EventData
    """The generation."""

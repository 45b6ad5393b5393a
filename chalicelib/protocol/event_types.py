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
    """A sentence for people."""
    providerCode: NotRequired[str]
    """The provider's own code, if it has one."""


class Output(TypedDict):
    """One file that a generation produced. Except for `kind` and `url`, unknown fields are null."""

    kind: str
    """The kind of file; `model` is a 3D model. Accept kinds that are not listed."""
    url: Url
    """Where the file is."""
    contentType: str | None
    """The media type."""
    width: int | None
    """In pixels."""
    height: int | None
    """In pixels."""
    durationMs: Annotated[int, Field(ge=0)] | None
    """The duration in milliseconds, of audio and video."""
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
    """PENDING in a progress event; otherwise how the generation ended."""
    imageUrl: Url | None
    """The first picture."""
    imageHeight: int | None
    """In pixels, as the provider reports it, else that of the row."""
    imageWidth: int | None
    """In pixels, like the height."""
    coreModel: str | None
    """The model."""
    createdAt: Time | None
    """When the row was inserted."""
    updatedAt: Time
    """When the result, the notice or the progress was recorded."""
    error: NotRequired[ErrorDetail]
    """Why the generation failed; only with status ERROR."""
    outputsNotKept: NotRequired[Annotated[int, Field(ge=1)]]
    """Number of files without a URL: the provider returned bytes, and Herald keeps no outputs."""
    outputs: NotRequired[list[Output]]
    """All files, if they are known. `imageUrl` is the first picture among them."""
    truncated: NotRequired[bool]
    """True if the event was too large, and outputs were left out or the prompt was cut."""
    progress: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]
    """How far the generation is, from 0 to 1; only in a progress event, like the next two."""
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
    """The same each time the event arrives: recognize duplicates by it."""
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
    """The owner. A notice can lack it, and then reaches subscribers of the topic but no client."""
    epoch: NotRequired[Epoch]
    """The numbering that the sequence belongs to, a UUIDv7."""
    sequence: NotRequired[Annotated[str, Field(pattern="^[1-9][0-9]*$")]]
    """The offset in the user's stream, as a string."""
    data: EventData
    """The generation."""

"""The types of Herald's own payload, which generations.py reads. Nothing imports this module at run
time: it is for the contract (contracts/). See chalicelib/protocol/event_types.py for its form.

A payload that matches is recorded without a repair; a test sends such payloads.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field, JsonValue, with_config
from typing_extensions import TypedDict

from chalicelib.providers.details import (
    MAX_CODE_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_PIXELS,
)
from chalicelib.providers.fields import MAX_OUTPUTS, MAX_URL

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Pixels = Annotated[int, Field(ge=1, le=MAX_PIXELS)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)]
WebUrl = Annotated[str, Field(pattern="^https?://[A-Za-z0-9]", max_length=MAX_URL)]
_URL_NEEDED: dict[str, JsonValue] = {
    "anyOf": [{"required": ["imageUrl"]}, {"required": ["outputs"]}]
}


class ReportedOutput(TypedDict):
    """One file of a result."""

    url: WebUrl
    """The address of the file."""
    kind: NotRequired[str]
    """The kind of file; by default, Herald derives it from the content type or the name."""
    contentType: NotRequired[str | None]
    """The media type."""
    width: NotRequired[Pixels | None]
    """The width in pixels."""
    height: NotRequired[Pixels | None]
    """The height in pixels."""
    durationMs: NotRequired[Annotated[int, Field(ge=1)] | None]
    """The duration in milliseconds."""
    bytes: NotRequired[Annotated[int, Field(ge=1)] | None]
    """The file's size in bytes."""
    expiresAt: NotRequired[Time | None]
    """When the URL stops working."""
    safe: NotRequired[bool | None]
    """False if a safety check flagged the file."""


class ReportedError(TypedDict):
    """Why the generation failed."""

    code: NotRequired[Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARACTERS)]]
    """The reason. A code that is not listed becomes `generation_failed` with a `providerCode`."""
    message: NotRequired[Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]]
    """A sentence for people to read."""


class RunningReport(TypedDict):
    """The generation is running."""

    generationId: Uuid
    """The row's id."""
    status: Literal["PENDING"]
    """The generation's status."""
    progress: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]
    """The progress from 0 to 1."""
    step: NotRequired[Name | None]
    """A text for the current step."""
    previewUrl: NotRequired[WebUrl | None]
    """A preliminary picture."""
    coreModel: NotRequired[Name | None]
    """The model."""


@with_config(json_schema_extra=_URL_NEEDED)
class CompleteReport(TypedDict):
    """The generation has ended with a result: `imageUrl`, `outputs` or both."""

    generationId: Uuid
    """The row's id."""
    status: Literal["COMPLETE"]
    """The generation's status."""
    imageUrl: NotRequired[WebUrl]
    """The first picture; by default, the first picture among the outputs."""
    imageWidth: NotRequired[Pixels | None]
    """The width of the first picture in pixels."""
    imageHeight: NotRequired[Pixels | None]
    """The height of the first picture in pixels."""
    outputs: NotRequired[
        Annotated[list[ReportedOutput], Field(min_length=1, max_length=MAX_OUTPUTS)]
    ]
    """All files of the result."""
    coreModel: NotRequired[Name | None]
    """The model."""


class ErrorReport(TypedDict):
    """The generation has failed."""

    generationId: Uuid
    """The row's id."""
    status: Literal["ERROR"]
    """The generation's status."""
    error: NotRequired[ReportedError]
    """Why the generation failed."""
    coreModel: NotRequired[Name | None]
    """The model."""


OwnReport = RunningReport | CompleteReport | ErrorReport

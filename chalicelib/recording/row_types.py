"""The type of a row of `generations`. Nothing imports this module at run time: it is for the
contract (contracts/). See chalicelib/protocol/event_types.py for its form.

A test compares it with the table in PostgreSQL. `readOnly` columns are Herald's.
"""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from chalicelib.protocol.event_types import ErrorDetail, Output, Status, Time, Uuid

_HERALDS = Field(json_schema_extra={"readOnly": True})


class GenerationRow(TypedDict):
    """A row of the table `herald.generations`.

    The application inserts the row before it calls the provider. Only Herald writes the read-only
    columns.
    """

    id: Uuid
    """The generation's id, chosen by the application."""
    user_id: Annotated[str, Field(min_length=1)]
    """The owner. Herald notifies the clients whose token has this value as `sub`."""
    prompt: str
    """The prompt. The event also contains it."""
    provider: NotRequired[str | None]
    """The provider's name in the callback address. Only this provider, and your own generator, can
    then report the result."""
    provider_id: NotRequired[str | None]
    """The provider's id of the generation, unique for each provider. Herald needs it for look-ups
    and cancellations at the provider, and if the callback address has no generation id."""
    image_width: NotRequired[int | None]
    """The width in pixels. Herald replaces it if the provider reports a width."""
    image_height: NotRequired[int | None]
    """The height in pixels. Herald replaces it if the provider reports a height."""
    core_model: NotRequired[str | None]
    """The model. Herald replaces it if the provider reports a model."""
    created_at: NotRequired[Time]
    """When the generation began; by default, the time of the insert."""
    deadline_at: NotRequired[Time | None]
    """When Herald ends the generation with the error `timeout`; 'infinity' means never. If you do
    not set this column and the row has a provider, Herald sets it."""
    status: NotRequired[Annotated[Status, _HERALDS]]
    """PENDING until there is a result, then COMPLETE or ERROR."""
    image_url: NotRequired[Annotated[str | None, _HERALDS]]
    """The first picture of the result."""
    outputs: NotRequired[Annotated[list[Output] | None, _HERALDS]]
    """All files of the result, if they are known."""
    error: NotRequired[Annotated[ErrorDetail | None, _HERALDS]]
    """Why the generation failed."""
    progress: NotRequired[Annotated[dict[str, Any] | None, _HERALDS]]
    """The newest progress: `progress`, `step` and `previewUrl`, as in a progress event."""
    progress_at: NotRequired[Annotated[Time | None, _HERALDS]]
    """When the progress was recorded."""
    next_check_at: NotRequired[Annotated[Time | None, _HERALDS]]
    """The time of the next look-up at the provider."""
    checks: NotRequired[Annotated[int | None, _HERALDS]]
    """The number of look-ups at the provider. Null in rows of earlier versions, which Herald does
    not look up."""
    provisional: NotRequired[Annotated[bool, _HERALDS]]
    """Whether Herald itself timed out or canceled the generation. If so, a later result from the
    provider replaces the error."""
    version: NotRequired[Annotated[int, _HERALDS]]
    """Increases with each change of the status. Herald derives event ids from it."""
    updated_at: NotRequired[Annotated[Time, _HERALDS]]
    """When the status last changed."""

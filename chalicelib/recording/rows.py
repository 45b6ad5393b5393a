"""Types of the rows that PostgreSQL returns."""

from datetime import datetime
from typing import NamedTuple, NotRequired, TypedDict
from uuid import UUID

from chalicelib.protocol.events import ErrorDetail, Status


class FailureDetail(ErrorDetail):
    """Why a generation failed; the code is one of Herald's list, `providerCode` the provider's."""

    providerCode: NotRequired[str]  # noqa: N815 - as in events


class Generation(TypedDict):
    """A row of `generations` as psycopg2 returns it: the columns that events are built from."""

    id: str | UUID
    user_id: str
    status: Status
    prompt: str
    image_url: str | None
    image_height: int | None
    image_width: int | None
    core_model: str | None
    error: FailureDetail | None
    version: int
    created_at: datetime
    updated_at: datetime


class Ended(Generation):
    """A generation that has just got its result, and its event's position in the owner's stream."""

    epoch: str
    last_offset: int


class OutboxRow(NamedTuple):
    """An event that is not yet published."""

    id: str
    event: str

"""Types of the rows that PostgreSQL returns."""

from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

from chalicelib.protocol.events import ErrorDetail, Status


class Generation(TypedDict):
    """A row of `generations` as psycopg2 returns it."""

    id: str | UUID
    user_id: str
    status: Status
    prompt: str
    image_url: str | None
    image_height: int | None
    image_width: int | None
    core_model: str | None
    error: ErrorDetail | None
    version: int
    created_at: datetime
    updated_at: datetime


class StreamPosition(NamedTuple):
    """The epoch and offset of a new event in its owner's stream."""

    epoch: str
    offset: int


class OutboxRow(NamedTuple):
    """An event that is not yet published."""

    id: str
    event: str

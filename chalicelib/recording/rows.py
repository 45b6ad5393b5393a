"""Types of the rows that PostgreSQL returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from chalicelib.protocol.event_types import ErrorDetail, Status


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
    error: ErrorDetail | None
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

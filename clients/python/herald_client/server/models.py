"""The SQLAlchemy model of `herald.generations`; needs the extra `sqlalchemy`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, MetaData, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "herald"


class HeraldBase(DeclarativeBase):
    """The base of Herald's models, apart from the application's own metadata.

    `./herald migrate` creates the tables. With a `database_schema` other than `herald`, set the
    engine's `execution_options(schema_translate_map={"herald": "<schema>"})`.
    """

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy declares it so
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
    }


class Generation(HeraldBase):
    """A generation of one of your users.

    Your application inserts the row, with `user_id`, `prompt` and, optionally, `id`, `provider`,
    `provider_id`, `core_model`, `deadline_at` and the expected size. Herald writes everything else:
    do not update the row. Your own models can refer to this class with foreign keys and
    relationships.
    """

    __tablename__ = "generations"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    user_id: Mapped[str]
    prompt: Mapped[str]
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    core_model: Mapped[str | None]
    image_height: Mapped[int | None]
    image_width: Mapped[int | None]
    deadline_at: Mapped[datetime | None]

    status: Mapped[str] = mapped_column(server_default=text("'PENDING'"))
    image_url: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    outputs: Mapped[list[dict[str, Any]] | None]
    progress: Mapped[dict[str, Any] | None]
    progress_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    # Without the default, SQLAlchemy would insert NULL, and Herald would never look the row up.
    checks: Mapped[int | None] = mapped_column(server_default=text("0"))
    provisional: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

"""The application's own table, beside Herald's."""

import uuid

from sqlalchemy import ForeignKey, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from herald_client.server.models import Generation
from settings import settings

engine = create_engine(make_url(settings.herald_database_url).set(drivername="postgresql+psycopg"))


class Base(DeclarativeBase):
    """The base of the application's models. Herald's model has a base of its own."""


class Picture(Base):
    """What only the application knows about a generation."""

    __tablename__ = "pictures"

    generation_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Generation.id, ondelete="CASCADE"), primary_key=True
    )
    style: Mapped[str]
    generation: Mapped[Generation] = relationship(Generation, lazy="joined")

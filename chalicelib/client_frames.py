"""The frames of herald.v1 that clients send, validated here and nowhere else; unknown fields
are ignored.
"""

import json
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from chalicelib.errors import HeraldError
from chalicelib.events import MAX_OFFSET

Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, strict=True)]
FrameId = (
    Annotated[int, Field(strict=True, ge=0, le=2**53)] | Annotated[str, Field(max_length=64)] | None
)


class Cursor(BaseModel):
    """All up to `offset` has been handled; without an epoch: of whatever stream there is."""

    epoch: UUID | None = None
    offset: Offset


class Hello(BaseModel):
    """The first frame; without `resume` nothing is replayed."""

    action: Literal["hello"]
    id: FrameId = None
    resume: Cursor | None = None


class Ping(BaseModel):
    """Keeps the connection alive and says how far the client is."""

    action: Literal["ping"]
    id: FrameId = None
    epoch: UUID | None = None
    offset: Offset | None = None


class History(BaseModel):
    """Asks for what is above an offset of the present stream."""

    action: Literal["history"]
    id: FrameId = None
    since: Offset
    limit: Annotated[int, Field(ge=1, le=300, strict=True)] = 100


class Auth(BaseModel):
    """Shows a fresh token before the old one ends."""

    action: Literal["auth"]
    id: FrameId = None
    token: Annotated[str, Field(min_length=1, max_length=16_384)]


ClientFrame = Hello | Ping | History | Auth
_client_frame: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[ClientFrame, Field(discriminator="action")]
)


class BadFrame(HeraldError):
    """A client's frame is refused; `re` is its id, when that could be read."""

    def __init__(self, message: str, re: object) -> None:
        super().__init__(message)
        self.re = re


def parse(text: str) -> ClientFrame:
    """Read a client's frame; raises BadFrame, naming the field at fault."""
    try:
        return _client_frame.validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        # The location starts with the tag of the union: the action.
        field = ".".join(str(part) for part in first["loc"][1:] or first["loc"]) or "frame"
        raise BadFrame(f"{field}: {first['msg']}", _frame_id(text)) from exc


def _frame_id(text: str) -> object:
    try:
        found = json.loads(text)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, int | str) else None

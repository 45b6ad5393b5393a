"""The frames of herald.v1 that clients send, and their validation. Unknown fields are ignored.

The schema is written directly as pydantic-core's schema. pydantic's models would build the same
schema, but importing them would triple the cold start of `message` (docs/adr/0011).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pydantic_core import SchemaValidator, ValidationError

from chalicelib.errors import HeraldError
from chalicelib.protocol.events import MAX_OFFSET

if TYPE_CHECKING:
    from uuid import UUID

MAX_TOKEN_CHARACTERS = 16_384
MAX_HISTORY = 300

FrameId = int | str | None
Schema = dict[str, Any]  # in the format of pydantic_core


class Cursor(TypedDict):
    """The client's position: it has handled all events up to `offset`.

    If `epoch` is null, the offset applies to the current stream.
    """

    epoch: UUID | None
    """The numbering that the offset belongs to; null means the current one."""
    offset: int
    """The client has handled all events up to this offset."""


class Hello(TypedDict):
    """The first frame on a connection. Without `resume`, nothing is replayed."""

    action: Literal["hello"]
    """The frame's type."""
    id: FrameId
    """The answer repeats this value in its field `re`."""
    resume: Cursor | None
    """The client's cursor: the server replays the events after it."""


class Ping(TypedDict):
    """Asks for the stream's head and reports the client's position."""

    action: Literal["ping"]
    """The frame's type."""
    id: FrameId
    """The answer repeats this value in its field `re`."""
    epoch: UUID | None
    """The epoch of the client's cursor."""
    offset: int | None
    """The offset of the client's cursor. The server checks its format but does not store it."""


class Keepalive(TypedDict):
    """Postpones API Gateway's idle timeout. API Gateway accepts the frame and sends no answer."""

    action: Literal["keepalive"]
    """The frame's type."""
    id: FrameId
    """This field is not needed, because there is no answer."""


class History(TypedDict):
    """Asks for the events after an offset of the current stream."""

    action: Literal["history"]
    """The frame's type."""
    id: FrameId
    """The answer repeats this value in its field `re`."""
    since: int
    """The server replays the events after this offset of the current stream."""
    limit: int
    """The maximum number of events to replay. If there are more, the oldest are replayed."""


class Auth(TypedDict):
    """Sends a fresh token before the old one expires."""

    action: Literal["auth"]
    """The frame's type."""
    id: FrameId
    """The answer repeats this value in its field `re`."""
    token: str
    """A JWT of the same user."""


class Cancel(TypedDict):
    """Asks to cancel one of the user's own generations."""

    action: Literal["cancel"]
    """The frame's type."""
    id: FrameId
    """The answer repeats this value in its field `re`."""
    generation: UUID
    """The generation's id."""


ClientFrame = Hello | Ping | Keepalive | History | Auth | Cancel

_OFFSET: Schema = {"type": "int", "strict": True, "ge": 0, "le": MAX_OFFSET}
_EPOCH: Schema = {"type": "uuid"}
_FRAME_ID: Schema = {
    "type": "union",
    "choices": [
        {"type": "int", "strict": True, "ge": 0, "le": 2**53},
        {"type": "str", "strict": True, "max_length": 64},
    ],
}


def _optional(schema: Schema, default: object = None) -> Schema:
    accepted = {"type": "nullable", "schema": schema} if default is None else schema
    return {"type": "default", "schema": accepted, "default": default}


def _shape(**fields: Schema) -> Schema:
    return {
        "type": "typed-dict",
        "fields": {
            name: {
                "type": "typed-dict-field",
                "schema": schema,
                "required": schema["type"] != "default",
            }
            for name, schema in fields.items()
        },
    }


def _frame(action: str, **fields: Schema) -> Schema:
    tag: Schema = {"type": "literal", "expected": [action]}
    return _shape(action=tag, id=_optional(_FRAME_ID), **fields)


_CURSOR = _shape(epoch=_optional(_EPOCH), offset=_OFFSET)

SCHEMA: Schema = {
    "type": "tagged-union",
    "discriminator": "action",
    "choices": {
        "hello": _frame("hello", resume=_optional(_CURSOR)),
        "ping": _frame("ping", epoch=_optional(_EPOCH), offset=_optional(_OFFSET)),
        "keepalive": _frame("keepalive"),
        "history": _frame(
            "history",
            since=_OFFSET,
            limit=_optional({"type": "int", "strict": True, "ge": 1, "le": MAX_HISTORY}, 100),
        ),
        "auth": _frame(
            "auth", token={"type": "str", "min_length": 1, "max_length": MAX_TOKEN_CHARACTERS}
        ),
        "cancel": _frame("cancel", generation={"type": "uuid"}),
    },
}

_validator = SchemaValidator(SCHEMA)
_id_validator = SchemaValidator(_FRAME_ID)


class BadFrame(HeraldError):
    """A client's frame is refused; `re` is the frame's id if it has a valid one, else None."""

    def __init__(self, message: str, re: FrameId) -> None:
        super().__init__(message)
        self.re = re


def parse(text: str) -> ClientFrame:
    """Return a client's frame, with defaults for missing optional fields.

    Raises
    ------
    BadFrame
        The frame is invalid. The message names the field.
    """
    try:
        frame: ClientFrame = _validator.validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):  # the parser's message repeats the client's data
            reason = f"action: must be one of {', '.join(SCHEMA['choices'])}"
        else:
            # The location starts with the union's tag, which is the action.
            field = ".".join(str(part) for part in first["loc"][1:]) or "frame"
            reason = f"{field}: {first['msg']}"
        raise BadFrame(reason, _frame_id(text)) from exc
    return frame


def _frame_id(text: str) -> FrameId:
    try:
        found: FrameId = _id_validator.validate_python(json.loads(text)["id"])
    except (ValueError, TypeError, KeyError, RecursionError):  # ValidationError is a ValueError
        return None
    return found

"""The frames of herald.v1 in both directions, with their schemas and examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args, get_type_hints

from chalicelib.protocol import client_frames, frame_types
from chalicelib.providers.report import ErrorCode, Kind
from chalicelib.recording.generation_events import NOT_RECORDED
from tooling.contracts import protocol_page, schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tooling.contracts import Schema

# Clients accept values that are not listed, so more of them may follow within v1.
OPEN = "x-extensible"


class Frame(NamedTuple):
    """One frame: `name` is its action or type, `schema` the name of its schema."""

    name: str
    sender: Literal["client", "server"]
    schema: str
    answers: tuple[str, ...]  # the actions of the frames that it answers
    examples: list[Schema]


def frames() -> tuple[list[Frame], dict[str, Schema]]:
    """Return all frames, and all schemas by name."""
    server, found = _server_frames()
    client = []
    for action, core in client_frames.SCHEMA["choices"].items():
        name = "".join(word.title() for word in action.split("_"))
        found[name] = schemas.of_core(core, *_client_types(action), client_frames.Cursor)
        client.append(Frame(action, "client", name, (), protocol_page.examples(action)))
    return [*client, *server], found


def list_values(found: dict[str, Schema]) -> None:
    """List the values of fields that other parts of Herald define."""
    codes = [*(code.value for code in ErrorCode), NOT_RECORDED["code"]]
    _list(found["ErrorDetail"]["properties"]["code"], codes)
    _list(found["Output"]["properties"]["kind"], (kind.value for kind in Kind))
    if envelope := found.get("Envelope"):
        envelope["properties"]["type"][OPEN] = True
        # An event of the stream has both, any other event has neither.
        envelope["dependencies"] = {"epoch": ["sequence"], "sequence": ["epoch"]}


def _client_types(action: str) -> list[type]:
    kinds = get_args(client_frames.ClientFrame)
    return [kind for kind in kinds if action in str(kind.__annotations__["action"])]


def _server_frames() -> tuple[list[Frame], dict[str, Schema]]:
    kinds = get_args(frame_types.ServerFrame)
    found = schemas.of_types(kinds)
    list_values(found)
    known = protocol_page.codes()
    made = []
    for kind in kinds:
        (name,) = get_args(get_type_hints(kind)["type"])
        fields = found[kind.__name__]["properties"]
        if "code" in fields:
            sent = [code for code in known if name in code.sent_as]
            _list(fields["code"], (code.code for code in sent))
            _list(fields["name"], (code.name for code in sent))
        answers = tuple(fields.get("re", {}).pop("x-answers", ()))
        made.append(Frame(name, "server", kind.__name__, answers, protocol_page.examples(name)))
    return made, found


def _list(field: Schema, values: Iterable[object]) -> None:
    field["enum"] = list(values)
    field[OPEN] = True

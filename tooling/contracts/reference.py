"""docs/reference.md: the contracts as a page for people."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tooling.contracts import protocol_page
from tooling.contracts.markdown import either, fields, kind, meaning, resolved, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tooling.contracts import Schema

_INTRODUCTION = """\
# Reference

This page lists every frame and event with its fields, every column of the table `generations`, and
every address of the HTTP interface. [Protocol](protocol.md) explains how a client uses the frames.
[Generation providers](providers.md) explains how to connect a provider.

`make contracts` generates this page from the server's code, together with the same contracts in
machine-readable form:

| file | contents |
|---|---|
| [asyncapi.yaml](../contracts/asyncapi.yaml) | the WebSocket protocol, as AsyncAPI 3.0 |
| [openapi.yaml](../contracts/openapi.yaml) | the HTTP interface, as OpenAPI 3.1 |
| [event.schema.json](../contracts/event.schema.json) | an event, as JSON Schema |
| [row.schema.json](../contracts/row.schema.json) | a row of `generations`, as JSON Schema |

A *?* after a field's name means that the field may be absent. Within v1, later versions of Herald
may add frames, event types, fields and *known values*, but they remove nothing. Clients must
therefore ignore frames, event types, fields and values that they do not know.
"""
_CODES = """\
After a `close`, the range of the code determines how to react, even if you do not know the code:
do not reconnect automatically (4000 to 4099), reconnect with backoff (4100 to 4199), or reconnect
immediately (4200 to 4299).
"""
_CALLBACKS = """\
Providers send their webhooks to these addresses. `{token}` is the generation's
[capability](providers.md#the-address). Webhooks to addresses without a token need the listed
headers. SageMaker has no address: SNS invokes `callback` directly.
"""


def page(contracts: Mapping[str, Schema]) -> str:
    """Return the page, from the contracts by file name."""
    protocol, http = contracts["asyncapi.yaml"], contracts["openapi.yaml"]
    parts = [
        _INTRODUCTION,
        *_connecting(protocol),
        *_frames(protocol, "receive", "Client frames"),
        *_frames(protocol, "send", "Server frames"),
        *_codes(protocol),
        *_event(protocol),
        *_row(contracts["row.schema.json"]),
        *_callbacks(http),
        *_own_payload(http),
        *_links(http),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _connecting(protocol: Schema) -> Iterator[str]:
    schemes = protocol["components"]["securitySchemes"].values()
    refusals = protocol["channels"]["connection"]["x-refusals"].items()
    yield "## Connecting"
    yield "A client sends its credential in one of these headers:"
    yield table(
        ("header", "use"),
        ((f"`{each.get('name', 'Authorization')}`", each["description"]) for each in schemes),
    )
    yield "When Herald refuses a connection, it answers with an HTTP status:"
    yield table(("status", "cause"), refusals)


def _frames(protocol: Schema, action: str, title: str) -> Iterator[str]:
    yield f"## {title}"
    for operation in protocol["operations"].values():
        if operation["action"] != action:
            continue
        message = resolved(resolved(operation["messages"][0], protocol), protocol)
        payload = resolved(message["payload"], protocol)
        yield f"### {message['name']}"
        yield payload["description"]
        if answers := operation.get("reply", {}).get("messages"):
            names = [f"`{answer['$ref'].rsplit('/', 1)[-1]}`" for answer in answers]
            yield f"The last frame of the answer is {either(names)}."
        yield fields(payload, protocol)
        for example in protocol_page.example_texts(message["name"])[:1]:
            yield f"```json\n{example}\n```"
        if reasons := message.get("x-reasons"):
            rows = ((f"`{reason}`", cause) for reason, cause in reasons.items())
            yield table(("`reason`", "cause"), rows)


def _codes(protocol: Schema) -> Iterator[str]:
    found = sorted(
        (code["code"], name, code)
        for name, message in protocol["components"]["messages"].items()
        for code in message.get("x-codes", ())
    )
    yield "## Codes"
    yield _CODES
    yield table(
        ("code", "name", "frame", "reconnect", "cause"),
        (
            (
                str(number),
                f"`{code['name']}`",
                f"`{frame}`",
                f"`{code['reconnect']}`",
                code["cause"],
            )
            for number, frame, code in found
        ),
    )


def _event(protocol: Schema) -> Iterator[str]:
    found = protocol["components"]["schemas"]
    for title, name in (
        ("## The event", "Envelope"),
        ("### data", "EventData"),
        ("### data.error", "ErrorDetail"),
        ("### data.outputs", "Output"),
    ):
        yield title
        yield found[name]["description"]
        yield fields(found[name], protocol)


def _row(schema: Schema) -> Iterator[str]:
    yield "## The row"
    yield schema["description"]
    rows = []
    for name, column in schema["properties"].items():
        writer = "Herald" if column.get("readOnly") else "you"
        writer += ", required" if name in schema["required"] else ""
        rows.append((f"`{name}`", kind(column, schema), writer, meaning(column)))
    yield table(("column", "type", "written by", "meaning"), rows)


def _callbacks(http: Schema) -> Iterator[str]:
    titles = {tag["name"]: tag.get("description", "") for tag in http["tags"]}
    found = [
        (item["post"]["tags"][0], f"`POST {path}`", _proof(item["post"]))
        for path, item in http["paths"].items()
        if "post" in item
    ]
    yield "## Callbacks"
    yield _CALLBACKS
    rows = []
    for name, doors in groupby(found, key=lambda door: door[0]):
        _, paths, proofs = zip(*doors, strict=True)
        provider = f"[{titles[name]}](providers/{name}.md)"
        rows.append((provider, "<br>".join(paths), ", or ".join(dict.fromkeys(proofs))))
    yield table(("provider", "addresses", "proof"), rows)
    yield "### Answers"
    answers = http["components"]["responses"].items()
    yield table(
        ("status", "`error`", "meaning"),
        (
            ("200" if name == "Recorded" else name, _errors(answer), answer["description"])
            for name, answer in answers
        ),
    )
    for name, text in (("Recorded", "The body of 200:"), ("Refusal", "Every other body:")):
        yield text
        yield fields(http["components"]["schemas"][name], http)


def _proof(operation: Schema) -> str:
    headers = [f"`{name}`" for needed in operation["security"] for name in needed]
    return ", ".join(headers) or "the token"


def _errors(answer: Schema) -> str:
    schema = answer["content"]["application/json"]["schema"]
    codes = schema.get("properties", {}).get("error", {}).get("enum", ())
    return ", ".join(f"`{code}`" for code in codes)


def _own_payload(http: Schema) -> Iterator[str]:
    found = http["components"]["schemas"]
    yield "### The payload of your own generator"
    for status, reference in found["OwnReport"]["discriminator"]["mapping"].items():
        schema = resolved({"$ref": reference}, http)
        yield f"**`{status}`:** {schema['description'][0].lower()}{schema['description'][1:]}"
        yield fields(schema, http)
    yield "**An output:**"
    yield fields(found["ReportedOutput"], http)


def _links(http: Schema) -> Iterator[str]:
    for path, item in http["paths"].items():
        if "get" in item:
            operation = item["get"]
            answers = operation["responses"].items()
            yield "## Links"
            yield f"`GET {path}`"
            yield operation["description"]
            rows = ((status, answer["description"]) for status, answer in answers)
            yield table(("status", "meaning"), rows)

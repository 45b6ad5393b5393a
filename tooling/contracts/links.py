"""The links of kept outputs, a part of contracts/openapi.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tooling.contracts.schemas import REFERENCE

if TYPE_CHECKING:
    from tooling.contracts import Schema

PATH = "/outputs/{generation}/{index}/{signature}"
_ABOUT = """\
If outputs are kept, `imageUrl` and `outputs[].url` of an event are links to Herald's copies. \
A link needs no credential, because the signature is in the path."""
_REDIRECT = """\
A redirect to Herald's copy or, until the copy is made, to the provider's file. The location is \
valid for only a few minutes, so store the link instead."""
_FILE = {
    "description": "A kept output.",
    "type": "object",
    "properties": {
        "url": {"type": "string", "format": "uri", "description": "The current URL of the file."},
        "kept": {"type": "boolean", "description": "Whether it is Herald's copy."},
        "contentType": {"type": ["string", "null"], "description": "The copy's media type."},
        "bytes": {"type": ["integer", "null"], "description": "The copy's size."},
        "width": {"type": ["integer", "null"], "description": "In pixels."},
        "height": {"type": ["integer", "null"], "description": "In pixels."},
    },
    "required": ["url", "kept", "contentType", "bytes", "width", "height"],
}
SCHEMAS: Schema = {"KeptOutput": _FILE}
CODES = ["gone", "unavailable"]  # besides those of callbacks
PARAMETERS: dict[str, tuple[Schema, str]] = {
    "index": (
        {"type": "integer", "minimum": 0, "maximum": 99},
        "The output's place in `outputs`, from 0.",
    ),
    "signature": ({"type": "string"}, "Herald's signature of the link."),
}


def operation() -> Schema:
    """Return the operation that follows a link."""
    location = {"schema": {"type": "string", "format": "uri"}, "description": "Where the file is."}
    seconds = {
        "schema": {"type": "integer"},
        "description": "Try again after this number of seconds.",
    }
    return {
        "operationId": "output",
        "summary": "A kept output of a generation",
        "description": _ABOUT,
        "tags": ["outputs"],
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"}
            for name in ("generation", "index", "signature")
        ],
        "responses": {
            "200": _answer(
                "For `Accept: application/json`: the file's URL and its known properties.",
                "KeptOutput",
            ),
            "302": {"description": _REDIRECT, "headers": {"Location": location}},
            "404": _answer("There is no such output, or the signature is wrong.", "Refusal"),
            "410": _answer("The file is no longer kept.", "Refusal"),
            "503": {
                **_answer("Herald could not check the link. Try again.", "Refusal"),
                "headers": {"Retry-After": seconds},
            },
        },
        "security": [],
    }


def _answer(text: str, schema: str) -> Schema:
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=schema)}}}
    return {"description": text, "content": content}

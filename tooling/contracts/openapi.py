"""contracts/openapi.yaml: the HTTP interface, which providers call and browsers load outputs from.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

from chalicelib.providers import payload_types, registry
from chalicelib.providers.report import ErrorCode, Kind
from chalicelib.recording.generations import Outcome
from chalicelib.recording.webhooks import OWN
from tooling.contracts import links, schemas
from tooling.contracts.doors import BEARER, PATHS, Door, adapter, documentation, doors, title
from tooling.contracts.frames import OPEN
from tooling.providers import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tooling.contracts import Schema

_ABOUT = """\
Herald's HTTP interface. Generation providers report results to the addresses below `/callbacks`. \
Browsers load kept outputs from the links in events.

A path begins with the provider's name, as it was given to `./herald provider set`. A service with \
the adapter `hmac` has a name of its own, in place of `hmac`."""

_JOB = samples.Job("8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38", "p-1")
_HEADERS = {
    "webhook-id": "The delivery's id, the same in each repetition.",
    "webhook-timestamp": "When the webhook was signed, in seconds since 1970.",
    "webhook-signature": "The signature of id, timestamp and body.",
    "x-signature": "The HMAC of the body. The option `header` names the header.",
}
# The codes of refusals, by HTTP status.
REFUSALS = {
    400: (("bad_encoding",), "The body could not be decoded."),
    401: (("bad_signature",), "The webhook is not authentic."),
    404: (
        ("not_found", "unknown_generation"),
        "The provider is not configured, the generation is unknown, or the token is wrong.",
    ),
    413: (("body_too_large",), "The body is too large."),
    422: (("invalid_body",), "The body is not a JSON object, or `field` is missing or malformed."),
    500: (("database_rejected",), "The database rejected the result. The operators are notified."),
    503: (("not_recorded",), "The webhook could not be verified or recorded. Send it again."),
}


def document(version: str) -> Schema:
    """Return the contract."""
    names = sorted(registry.NAMES)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Herald: callbacks and links",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {
                "url": "https://{host}",
                "description": "The Terraform output `callbacks_url` is this and `/callbacks`.",
                "variables": {"host": {"default": "api.execute-api.eu-central-1.amazonaws.com"}},
            }
        ],
        "tags": [_tag(name) for name in names if doors(name)] + [{"name": "outputs"}],
        "paths": {
            **{path: value for name in names for path, value in _callbacks(name)},
            links.PATH: {"get": links.operation()},
        },
        "components": {
            "schemas": _schemas(),
            "parameters": _parameters(),
            "requestBodies": {name: _body(name) for name in names if doors(name)},
            "responses": _responses(),
            "securitySchemes": dict(_security_schemes(names)),
        },
    }


def _tag(name: str) -> Schema:
    tag: Schema = {"name": name, "description": title(name)}
    if url := documentation(name):
        tag["externalDocs"] = {"url": url}
    return tag


def _callbacks(name: str) -> Iterator[tuple[str, Schema]]:
    for door in doors(name):
        yield PATHS[door.address].replace("{provider}", name), {"post": _callback(name, door)}


def _callback(name: str, door: Door) -> Schema:
    summaries = {
        "account": "The webhooks of all generations",
        "generation": "The webhooks of one generation",
        "capability": "The webhooks of one generation, with its capability",
    }
    operation: Schema = {
        "operationId": f"{name}_{door.address}",
        "summary": summaries[door.address],
        "tags": [name],
        "requestBody": {"$ref": f"#/components/requestBodies/{name}"},
        "responses": {
            "200": {"$ref": "#/components/responses/Recorded"},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in REFUSALS},
        },
        "security": [{header: [] for header in door.headers}] if door.headers else [],
    }
    wanted = {"account": (), "generation": ("generation",), "capability": ("generation", "token")}
    if names := wanted[door.address]:
        operation["parameters"] = [{"$ref": f"#/components/parameters/{each}"} for each in names]
    return operation


def _body(name: str) -> Schema:
    if name == OWN:
        schema = {"$ref": "#/components/schemas/OwnReport"}
    else:
        schema = {"type": "object", "description": f"The payload of {title(name)}."}
    bodies = {state: samples.sample(name, state, _JOB) for state in samples.states(name)}
    examples = {state: {"value": json.loads(body)} for state, body in bodies.items() if body}
    return {
        "required": True,
        "description": f"At most {adapter(name).max_body_bytes} bytes.",
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _schemas() -> Schema:
    kinds = get_args(payload_types.OwnReport)
    found = schemas.of_types(kinds)
    references = {_status(kind): schemas.REFERENCE.format(model=kind.__name__) for kind in kinds}
    found["OwnReport"] = {
        "description": "A report of your own generator.",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "status", "mapping": references},
    }
    found["ReportedOutput"]["properties"]["kind"]["enum"] = [kind.value for kind in Kind]
    code = found["ReportedError"]["properties"]["code"]
    code["examples"] = [each.value for each in ErrorCode]
    found |= {"Recorded": _recorded(), "Refusal": _refusal(), **links.SCHEMAS}
    return dict(sorted(found.items()))


def _status(kind: type) -> str:
    (status,) = get_args(kind.__annotations__["status"])
    return str(status)


def _recorded() -> Schema:
    outcomes = [outcome.value for outcome in Outcome] + ["accepted", "ignored"]
    return {
        "description": "What the report changed.",
        "type": "object",
        "properties": {
            "outcome": {
                "type": "string",
                "enum": outcomes,
                OPEN: True,
                "description": "`recorded` for a result, `progress` for progress, `accepted` for a"
                " webhook whose result Herald looks up. With any other value, nothing was changed.",
            },
            "generationId": {
                "type": "string",
                "format": "uuid",
                "description": "The generation, if it is known.",
            },
            "eventId": {
                "type": "string",
                "format": "uuid",
                "description": "The id of the event with the result.",
            },
        },
        "required": ["outcome"],
    }


def _refusal() -> Schema:
    codes = [code for found, _ in REFUSALS.values() for code in found]
    codes += links.CODES
    return {
        "description": "Why the request was refused.",
        "type": "object",
        "properties": {
            "error": {"type": "string", "enum": codes, OPEN: True, "description": "The reason."},
            "message": {"type": "string", "description": "A sentence for people."},
            "field": {"type": "string", "description": "The invalid field of the body."},
        },
        "required": ["error", "message"],
    }


def _parameters() -> Schema:
    texts = {
        "generation": ({"type": "string", "format": "uuid"}, "The generation's id."),
        "token": (
            {"type": "string"},
            "The capability: base64url(HMAC-SHA256(key, `<provider>/<generation id>`)).",
        ),
        **links.PARAMETERS,
    }
    return {
        name: {"name": name, "in": "path", "required": True, "schema": schema, "description": text}
        for name, (schema, text) in texts.items()
    }


def _responses() -> Schema:
    found: Schema = {
        "Recorded": {
            "description": "The webhook was processed. Do not send it again.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Recorded"}}},
        }
    }
    for status, (codes, text) in REFUSALS.items():
        schema = {
            "allOf": [{"$ref": "#/components/schemas/Refusal"}],
            "properties": {"error": {"enum": list(codes), OPEN: True}},
        }
        found[str(status)] = {
            "description": text,
            "content": {"application/json": {"schema": schema}},
        }
    seconds = {
        "schema": {"type": "integer"},
        "description": "Send the webhook again after this number of seconds.",
    }
    found["503"]["headers"] = {"Retry-After": seconds}
    return found


def _security_schemes(names: list[str]) -> Iterator[tuple[str, Schema]]:
    headers = {header for name in names for door in doors(name) for header in door.headers}
    for header in sorted(headers):
        if header == BEARER:
            yield header, {"type": "http", "scheme": "bearer"}
            continue
        text = _HEADERS.get(header, "A header of the provider's signature.")
        yield header, {"type": "apiKey", "in": "header", "name": header, "description": text}

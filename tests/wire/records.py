"""Reads the requests that the emulator recorded."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Incomplete(Exception):
    """The record does not have all requests."""


@dataclass(frozen=True)
class Request:
    """One request to AWS; `service` is the service name in its signature."""

    service: str
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    at: float = 0.0
    status: int | None = 200

    @property
    def agent(self) -> str:
        return self.headers.get("user-agent", "")

    @property
    def target(self) -> str:
        return self.headers.get("x-amz-target", "")

    @property
    def by_terraform(self) -> bool:
        return "Terraform/" in self.agent


class Invocation(NamedTuple):
    """One invocation of a function; `connection` is the WebSocket connection that caused it."""

    at: float
    function: str
    connection: str | None
    logged: int  # bytes


def load(path: Path) -> list[Request]:
    """Return all requests of a file, in the order of their responses; raises Incomplete."""
    return [_request(entry) for entry in _entries(path) if "invocation" not in entry]


def invocations(path: Path) -> list[Invocation]:
    """Return all invocations of a file, in the order in which they ended."""
    return [
        Invocation(entry["at"], entry["invocation"], entry["connection"], entry["logged"])
        for entry in _entries(path)
        if "invocation" in entry
    ]


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        yield from map(json.loads, file)


def _request(entry: dict[str, Any]) -> Request:
    if entry.get("full"):
        raise Incomplete("the file reached its limit, and recording ended")
    if "body64" in entry:
        body = base64.b64decode(entry["body64"])
    elif entry["body"] is None:
        where = f"{entry['service']} {entry['method']} {entry['path']} {entry['target']}"
        raise Incomplete(f"a body of {entry['size']} bytes was not kept: {where}")
    else:
        body = entry["body"].encode()
    return Request(
        service=entry["service"],
        method=entry["method"],
        path=entry["path"],
        query=entry["query"],
        headers=entry["headers"],
        body=body,
        at=entry["at"],
        status=entry["status"],
    )

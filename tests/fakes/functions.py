"""A Lambda function that another one invokes."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.errors import ServiceError


class FakeFunction:
    """Takes the payloads of `Function.send` and `Function.call`."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.answer = answer or {}
        self.events: list[dict[str, Any]] = []
        self.fails = False

    def send(self, payload: bytes) -> None:
        self.call(payload)

    def call(self, payload: bytes) -> dict[str, Any]:
        self.events.append(json.loads(payload))
        if self.fails:
            raise ServiceError("lambda", 500, "InternalError")
        return self.answer

"""The log lines of one function, from CloudWatch Logs or its emulation."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cli.console import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.target import Target

PAUSE_SECONDS = 1.0
_OVERLAP_MS = 10_000  # lines can become visible after later ones
_HIDDEN = ("time", "timestamp", "level", "message", "logger", "location", "service")


class Line(NamedTuple):
    """A line of a log: its time in milliseconds since 1970, and its text."""

    at: int
    text: str

    def public(self) -> dict[str, Any]:
        """Return the line for scripts: its fields, if the function wrote JSON."""
        try:
            found = json.loads(self.text)
        except ValueError:
            found = None
        return {
            "time": self._time(),
            **(found if isinstance(found, dict) else {"message": self.text}),
        }

    def __str__(self) -> str:
        found = self.public()
        message = str(found.get("message", "")).rstrip()
        fields = [f"{name}={value}" for name, value in found.items() if name not in _HIDDEN]
        return " ".join([self._time()[11:23], f"{found.get('level', ''):7}", message, *fields])

    def _time(self) -> str:
        moment = datetime.fromtimestamp(self.at / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FunctionLog:
    """The log of one function of a deployment."""

    def __init__(self, herald: Target, function: str) -> None:
        self._client = herald.client("logs")
        self._prefix = f"/aws/lambda/herald-{herald.output('stage')}-"
        self._group = f"{self._prefix}{function}"
        self._seen: dict[str, int] = {}

    def since(self, start: float) -> Iterator[Line]:
        """Yield the lines from `start`, in seconds since 1970, that were not yielded before.

        Raises
        ------
        CommandError
            There is no such function.
        """
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, startTime=int(start * 1000)
        )
        try:
            found = [event for page in pages for event in page["events"]]
        except self._client.exceptions.ResourceNotFoundException as exc:
            raise CommandError(self._unknown()) from exc
        for event in sorted(found, key=lambda event: event["timestamp"]):
            identity = event.get("eventId") or f"{event['timestamp']} {event['message']}"
            if identity not in self._seen:
                self._seen[identity] = event["timestamp"]
                yield Line(event["timestamp"], event["message"].rstrip("\n"))

    def follow(self, start: float) -> Iterator[Line]:
        """Yield the lines from `start` on, and new ones as they are written."""
        while True:
            yield from self.since(start)
            newest = max(self._seen.values(), default=0)
            start = max(start, (newest - _OVERLAP_MS) / 1000)
            oldest = start * 1000
            self._seen = {event: at for event, at in self._seen.items() if at >= oldest}
            time.sleep(PAUSE_SECONDS)

    def _unknown(self) -> str:
        pages = self._client.get_paginator("describe_log_groups").paginate(
            logGroupNamePrefix=self._prefix
        )
        names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        known = ", ".join(sorted(name.removeprefix(self._prefix) for name in names))
        return f"There is no log {self._group}. The functions are: {known or 'none'}."

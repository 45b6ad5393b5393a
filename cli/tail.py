"""Shows the events of a user, received with the Python client."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from cli import access
from cli.console import note, say
from tooling import ROOT

# The client is a package of its own, which is not installed here.
sys.path.append(str(ROOT / "clients" / "python"))
from herald_client import Closed
from herald_client.sync import Herald

sys.path.pop()

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cli.target import Target
    from herald_client.events import Event, Gap, Problem, Progress

_LIFETIME = 900  # seconds of a token; the client fetches a new one in time


class Tail:
    """One connection of a user. `ending` says why it ended."""

    def __init__(
        self, herald: Target, user: str, token: str, *, from_start: bool, json: bool
    ) -> None:
        self.ending = ""
        self._json = json
        if not token:
            access.issue(herald, user, _LIFETIME)  # if this fails, nothing is opened
        self._herald = Herald(
            herald.output("websocket_url"),
            token=lambda: token or access.issue(herald, user, _LIFETIME),
            on_progress=self._progress,
            on_gap=self._gap,
            on_problem=self._problem,
            from_start=from_start,
        )

    def lines(self, timeout: float | None) -> Iterator[str]:
        """Yield a line for each result, until Herald closes the connection for good or none
        arrives for `timeout` seconds.
        """
        with self._herald:
            try:
                while True:
                    yield self._line(self._herald.get(timeout))
            except TimeoutError:
                self.ending = f"No result arrived within {timeout} s."
            except Closed as exc:
                self.ending = f"Herald closed the connection: {exc}"

    def _line(self, event: Event) -> str:
        return json.dumps(event.raw) if self._json else described(event.raw)

    def _progress(self, progress: Progress) -> None:
        say(json.dumps(progress.raw) if self._json else described(progress.raw))

    def _gap(self, gap: Gap) -> None:
        note(f"gap: events up to {gap.head} will not be replayed ({gap.reason})")

    def _problem(self, problem: Problem) -> None:
        note(f"{problem.name}: {problem.message}")


def described(event: Mapping[str, Any]) -> str:
    """Return a line about a CloudEvent: time, type, generation, offset and outcome."""
    data = event.get("data", {})
    kind = str(event["type"]).rpartition(".")[2]
    place = f"offset {int(event['sequence'])}" if "sequence" in event else "outside the stream"
    parts = [str(event["time"])[11:19], f"{kind:8}", event["subject"], place, _outcome(kind, data)]
    return "  ".join(part for part in parts if part)


def _outcome(kind: str, data: Mapping[str, Any]) -> str:
    if kind == "progress":
        known = data.get("progress")
        return "running" if known is None else f"{known:.0%}"
    if error := data.get("error"):
        return f"{error['code']}: {error['message']}"
    return str(data.get("imageUrl") or data.get("status", ""))

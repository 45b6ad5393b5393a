"""The history of a run: a list of operations that can be saved and checked again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Operation(NamedTuple):
    """One operation: its time (in seconds since the start of the run), its process and its data."""

    at: float
    process: str
    kind: str
    data: dict[str, Any]


class History:
    """The operations of one run, in the order of recording.

    kind          process    data
    generation    provider   generation, user
    callback      provider   generation, result, status (0: no response)
    cancel        user       generation, outcome: canceled, not_cancelable or failed
    withheld      provider   generation, result: its webhook never comes
    file          cdn        generation, number, url, digest (SHA-256), manner of its serving
    forgotten     cdn        no file is served from here on
    received      a client   event, generation, owner, epoch, offset, status, links; before dedupe
    handled       a client   the same; as its application saw it
    running       provider   generation, status: a report of progress
    progress      a client   generation, owner, offset: an event of progress
    dropped       a client   the same, after the generation's result
    violation     a client   sender, error: a frame that the contract does not allow
    gap           a client   epoch, after, head, reason; as reported to the application
    client        campaign   client, user
    fault         nemesis    fault, phase ("begin", "end"), error if it could not be injected
    poisoned      nemesis    body: an invalid message, put into the queue
    redriven      operator   messages: events redriven from the dead-letter queue
    healed        nemesis    no faults from here on
    settled       campaign   nothing was in flight any more (absent if this never happened)
    not_kept      keep       generation: its event is in the dead-letter queue of keep
    followed      end        link, kept (what Herald says of it), status, digest of the response
    counted       a function metric, count: the sum of a metric during the run
    row           end        generation, user, status
    outbox        end        event, generation, user, epoch, offset, code, published
    stream        end        user, epoch, last_offset
    waiting       end        queue, messages
    dead          end        queue, body
    """

    def __init__(self, operations: list[Operation] | None = None) -> None:
        self.operations: list[Operation] = operations or []
        self._began = time.monotonic()

    def add(self, process: str, kind: str, **data: Any) -> None:
        at = round(time.monotonic() - self._began, 3)
        self.operations.append(Operation(at, process, kind, data))

    def of(self, kind: str) -> Iterator[Operation]:
        return (operation for operation in self.operations if operation.kind == kind)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(operation) + "\n" for operation in self.operations))

    @classmethod
    def load(cls, path: Path) -> History:
        lines = path.read_text().splitlines()
        return cls([Operation(*json.loads(line)) for line in lines])

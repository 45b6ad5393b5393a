"""One user's day: open, an idle hour, events, a renewed connection, close.

The stack counts what the day takes, and the counts are compared with the quantities of the cost
model (cli/cost/quantities.py). The hours pass on the client's clock only.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cli.cost.quantities import KEEPALIVE, NOTIFICATION, OPENING, RENEWAL
from local import emulator
from tests.e2e.client_day import Day
from tests.e2e.conftest import Herald, User, eventually, open_herald
from tests.wire import records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack
    from tests.wire.records import Invocation, Request

pytestmark = pytest.mark.e2e

TOKEN_SECONDS = 3600
EVENTS = 3
# Functions that run at their own times; the default example has no kept outputs.
OTHERS = ("-keep", "-reconcile", "-relay")


class Phase(NamedTuple):
    """What a part of the day took."""

    actions: Counter[str]  # frames of the client
    messages: int  # as API Gateway bills them
    calls: Counter[str]  # of functions
    writes: int  # units of DynamoDB
    reads: int
    posts: int
    publishes: int


class Measured:
    """A day, and the parts that it was divided into."""

    def __init__(self, herald: Herald, user: User, stack: Stack) -> None:
        self.user = user
        self.day = Day(
            herald.env["HERALD_WEBSOCKET_URL"],
            lambda: user.token(exp=int(time.time()) + TOKEN_SECONDS),
        )
        self._file = emulator.requests_file(stack.directory)
        self._marks: list[tuple[str, float, int, int]] = [("start", time.time(), 0, 0)]
        self._phases: dict[str, Phase] = {}

    def end(self, name: str) -> None:
        """End a part of the day."""
        self._marks.append((name, time.time(), len(self.day.sent), self.day.messages))

    def wait(self, function: str, calls: int) -> None:
        """Wait until a function has been invoked this often since the last part ended."""
        since = self._marks[-1][1]

        def ended() -> bool:
            called = [each.function for each in self._invocations() if each.at > since]
            return sum(name.endswith(f"-{function}") for name in called) >= calls

        eventually(ended)

    def count(self) -> dict[str, Phase]:
        requests = [each for each in records.load(self._file) if self._is_own(each)]
        invocations = self._invocations()
        for before, after in zip(self._marks, self._marks[1:], strict=False):
            began, ended = before[1], after[1]
            sent = self.day.sent[before[2] : after[2]]
            during = [each for each in requests if began < each.at <= ended]
            # What other tests have left to `deliver` is not part of an idle hour.
            called = [
                each
                for each in invocations
                if began < each.at <= ended and (each.connection or after[0] == "events")
            ]
            self._phases[after[0]] = Phase(
                Counter(each.action for each in sent),
                after[3] - before[3],
                Counter(each.function.rpartition("-")[2] for each in called),
                sum(map(write_units, during)),
                sum(map(read_units, during)),
                sum("/@connections/" in each.path for each in during),
                sum("Action=Publish" in each.body.decode() for each in during),
            )
        return self._phases

    def _invocations(self) -> list[Invocation]:
        """Return the invocations for this day's connections, and those for webhooks and events."""
        connections = {*self.day.connections, None}
        return [
            each
            for each in records.invocations(self._file)
            if each.connection in connections and not each.function.endswith(OTHERS)
        ]

    def _is_own(self, request: Request) -> bool:
        if any(each in request.path for each in self.day.connections):
            return True
        return self.user.name.encode() in request.body and not request.by_terraform


def write_units(request: Request) -> int:
    """Count the write units of a DynamoDB request: one for each KB of an item."""
    match request.target.partition(".")[2]:
        case "UpdateItem":
            return 1  # an item with a few connections is smaller than 1 KB
        case "BatchWriteItem":
            [rows] = json.loads(request.body)["RequestItems"].values()
            sizes = [len(json.dumps(row["PutRequest"]["Item"])) for row in rows]
            return sum(math.ceil(size / 1024) for size in sizes)
    return 0


def read_units(request: Request) -> int:
    """Count the read units of a DynamoDB request: one for up to 4 KB, read consistently."""
    match request.target.partition(".")[2]:
        case "GetItem" | "Query":
            assert json.loads(request.body)["ConsistentRead"]
            return 1
        case "BatchGetItem":
            [table] = json.loads(request.body)["RequestItems"].values()
            return len(table["Keys"])
    return 0


@pytest.fixture(scope="module")
def measured(stack: Stack, stack_env: dict[str, str]) -> Iterator[dict[str, Phase]]:
    """A day on the stack, counted."""
    with open_herald(stack_env) as herald:
        user = herald.user()
        measured = Measured(herald, user, stack)
        day = measured.day
        try:
            day.wait("loaded")
            measured.end("open")
            day.advance(60)
            measured.end("idle hour")
            for number in range(EVENTS):
                generation = user.finished()
                day.wait("event")
                assert day.events[number:] == [generation]
            measured.wait("deliver", EVENTS)
            measured.end("events")
            day.advance(60)
            measured.wait("disconnect", 1)
            measured.end("renewal")
            day.dispose()
            measured.wait("disconnect", 1)
            measured.end("close")
        finally:
            day.stop()
        yield measured.count()


def renewals(phase: Phase) -> int:
    """Return the messages for keepalives, pings and tokens."""
    return (
        KEEPALIVE.messages * phase.actions["keepalive"]
        + KEEPALIVE.ping_messages * phase.actions["ping"]
        + RENEWAL.messages * phase.actions["auth"]
    )


def test_opening_takes_what_the_bill_counts(measured: dict[str, Phase]) -> None:
    opened, closed = measured["open"], measured["close"]
    assert opened.actions == {"hello": 1}
    assert opened.messages + closed.messages == OPENING.messages
    assert opened.writes + closed.writes == OPENING.writes
    assert (opened.reads, closed.reads) == (OPENING.reads, 0)
    assert opened.calls == {"authorize": 1, "connect": 1, "message": 1}
    assert closed.calls == {"disconnect": 1}
    assert opened.posts == 0, "the welcome is the response of the route"


def test_an_idle_hour_takes_what_the_bill_counts(measured: dict[str, Phase]) -> None:
    idle = measured["idle hour"]
    keepalives, pings = idle.actions["keepalive"], idle.actions["ping"]
    assert abs(keepalives + pings - 60 / KEEPALIVE.minutes) <= 1
    assert abs(pings - (keepalives + pings) / KEEPALIVE.ping_every) <= 1
    assert idle.actions["auth"] == 1, "the token of one hour"
    assert idle.messages == renewals(idle)
    assert idle.calls == {"message": pings + 1}, "a keepalive calls no function"
    assert idle.reads == KEEPALIVE.ping_reads * pings
    assert idle.writes == RENEWAL.writes * idle.actions["auth"]
    assert idle.posts == 0


def test_an_event_takes_what_the_bill_counts(measured: dict[str, Phase]) -> None:
    events = measured["events"]
    assert events.actions == {}
    assert events.messages == events.posts == EVENTS
    assert events.calls == {"callback": EVENTS, "deliver": EVENTS}
    assert events.publishes == NOTIFICATION.publishes * EVENTS
    assert events.reads == EVENTS, "the connections of the user"


def test_renewing_a_connection_takes_what_opening_one_does(measured: dict[str, Phase]) -> None:
    renewal = measured["renewal"]
    pings, auths = renewal.actions["ping"], renewal.actions["auth"]
    assert renewal.actions["hello"] == 1
    assert renewal.messages == OPENING.messages + renewals(renewal)
    assert renewal.writes == OPENING.writes + RENEWAL.writes * auths
    assert renewal.reads == OPENING.reads + KEEPALIVE.ping_reads * pings
    assert auths == 0, "the renewed token outlives the connection"
    called = {"authorize": 1, "connect": 1, "message": 1 + pings, "disconnect": 1}
    assert renewal.calls == called

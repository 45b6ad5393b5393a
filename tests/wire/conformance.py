"""Checks all recorded requests; reports violations and the operations that were recorded."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from tests.wire import decode, limits, rules, shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.wire.decode import Call
    from tests.wire.records import Request


class Report(NamedTuple):
    violations: list[str]
    operations: Counter[str]  # number of requests by operation


def check(requests: Iterable[Request]) -> Report:
    """Compare requests, in the order in which they were sent, with models and rules."""
    state, found = limits.State(), Report([], Counter())
    for request in requests:
        state.today = datetime.fromtimestamp(request.at, UTC).date()
        try:
            call = decode.decode(request)
        except decode.Undecodable as error:
            found.violations.append(f"{_where(request)}: {error}")
            continue
        found.operations[call.name] += 1
        wrong = list(_violations(call, state))
        found.violations.extend(f"{call.name}: {each} [{_where(request)}]" for each in wrong)
    return found


def _violations(call: Call, state: limits.State) -> Iterator[str]:
    yield from call.problems
    against_model = list(shapes.violations(call.operation.input_shape, call.parameters))
    yield from against_model
    if not against_model:  # rules rely on valid shapes
        yield from rules.violations(call, state)


def _where(request: Request) -> str:
    return f"{request.method} {request.path} by {request.agent[:40] or 'a function'}"

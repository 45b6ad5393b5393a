"""Concurrent flows. A flow is a sequence of requests, each sent after the response to the previous
one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from chalicelib.engine.engine import Engine
    from chalicelib.engine.http1 import Response
    from chalicelib.engine.request import Request

    Flow = Generator[Request, Response, None]


def run_flows(engine: Engine, flows: Iterable[Flow], deadline: float) -> None:
    """Run flows concurrently. A flow is a generator that yields requests and receives their
    responses.

    A flow's next request is sent as soon as the previous response has arrived. `deadline` is a
    value of time.monotonic(). After the deadline, every request fails immediately, so each flow
    still runs to its end.
    """
    for flow in flows:
        _continue(engine, flow, None)
    engine.run(deadline)


def _continue(engine: Engine, flow: Flow, response: Response | None) -> None:
    try:
        request = next(flow) if response is None else flow.send(response)
    except StopIteration:
        return
    engine.submit(request, partial(_continue, engine, flow))

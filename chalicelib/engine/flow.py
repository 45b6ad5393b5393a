"""Sequences of requests, each depending on the answer before it, many sequences at once."""

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
    """Run generators that yield requests and are sent their responses, all at once.

    A flow's next request is sent as soon as the response to the one before is there. After the
    deadline (time.monotonic) every request fails at once, so each flow still runs to its end.
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

"""Posts to connections: one sequence of requests per connection, all of them concurrently."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws.gateway import Outcome, outcome
from chalicelib.aws.service import error_code
from chalicelib.delivery.batch import Failure
from chalicelib.engine.engine import Failure as NoAnswer
from chalicelib.protocol import server_frames
from chalicelib.store.connections import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.gateway import Gateway
    from chalicelib.delivery.batch import Recipient
    from chalicelib.engine.flow import Flow
    from chalicelib.engine.http1 import Response
    from chalicelib.metrics import Metric
    from chalicelib.store.connections import Connection, Connections

_COUNTERS = {
    Outcome.GONE: metrics.POSTS_GONE,
    Outcome.THROTTLED: metrics.POSTS_RETRYABLE,
    Outcome.RETRYABLE: metrics.POSTS_RETRYABLE,
    Outcome.FORBIDDEN: metrics.POSTS_FORBIDDEN,
}
_CLOSED = (200, 204, 410)


class Poster:
    """Posts the frames of one invocation and counts those that were not accepted."""

    def __init__(self, gateway: Gateway, connections: Connections) -> None:
        self._gateway = gateway
        self._connections = connections
        self.counts: Counter[Metric] = Counter()

    def post(self, recipient: Recipient, connection: Connection, frames: Sequence[bytes]) -> Flow:
        """Post frames in order and stop at the first frame that is not accepted.

        The client recovers the remaining events with its next `hello` or `history` frame.
        """
        if connection.over:
            yield from self._forget(connection)
            return
        if connection.token_expired:
            yield from self._expire(connection)
            return
        for frame in frames:
            result = yield self._gateway.post(connection.connection_id, frame)
            ended = self._count(recipient, result)
            if ended is Outcome.GONE and not connection.young:
                yield from self._forget(connection)
            if ended is not Outcome.DELIVERED:
                return

    def _count(self, recipient: Recipient, result: Response) -> Outcome:
        ended = outcome(result)
        if ended is Outcome.DELIVERED:
            recipient.delivered_at = time.time()
            return ended
        self.counts[_COUNTERS[ended]] += 1
        if ended is Outcome.THROTTLED:
            self.counts[metrics.POSTS_THROTTLED] += 1
        if ended is Outcome.FORBIDDEN:
            recipient.fail(Failure.FORBIDDEN)
        elif result.failure is NoAnswer.DEADLINE:
            recipient.fail(Failure.OUT_OF_TIME)
        return ended

    def _expire(self, connection: Connection) -> Flow:
        """Close a connection whose token has expired, so that the client reconnects with a new
        token.
        """
        close = server_frames.close(server_frames.TOKEN_EXPIRED).encode()
        yield self._gateway.post(connection.connection_id, close)
        yield from self._forget(connection)
        result = yield self._gateway.close(connection.connection_id)
        if result.status not in _CLOSED:
            _not_cleaned_up(result)

    def _forget(self, connection: Connection) -> Flow:
        result = yield self._connections.forget_request(connection)
        if result.status != 200 and error_code(result) != FORGOTTEN:
            _not_cleaned_up(result)


def _not_cleaned_up(result: Response) -> None:
    # No retry is needed. The next post to the connection is answered 410, and the clean-up is
    # repeated then.
    telemetry.warning("clean-up failed", reason=error_code(result))

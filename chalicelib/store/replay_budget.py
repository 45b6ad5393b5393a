"""The replay budget limits the frames that a user's replays send. It is a token bucket.

A frame has at most 32 KB, so the budget limits bytes, too. The bucket is stored as one number in
the user's item in the table of connections: the time at which the bucket is full again. A replay
first adds FRAME_MS to this time for each frame that it may need. Afterwards, it subtracts FRAME_MS
for each frame that it did not use. The bucket belongs to the user, not to the connection, so a
client does not get a new bucket when it reconnects. A connection has one replay at a time.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from chalicelib.aws.dynamodb import Item, number_of, to_item
from chalicelib.aws.service import JsonObject, Service
from chalicelib.errors import OverBudget, ServiceError
from chalicelib.protocol.events import MAX_FRAME_BYTES
from chalicelib.store import user_item

BURST_FRAMES = 640  # 20 MB, two of the largest replays
FRAME_MS = 200  # 300 frames a minute
BUSY_MS = 30_000  # longer than a function may run, so an interrupted replay is over by then
RETRY_MS = 1000  # the wait while another replay starts or runs
_BURST_MS = BURST_FRAMES * FRAME_MS
_NOT_BUSY = (
    "attribute_exists(#connection) AND (attribute_not_exists(#connection.replaying_until)"
    " OR #connection.replaying_until <= :now)"
)


class Budget(NamedTuple):
    """A user's budget as read for one connection; times are in epoch milliseconds.

    Parameters
    ----------
    full_at
        When the bucket is full again; 0 before the first replay.
    busy_until
        When the connection's current replay is over at the latest; 0 without a replay.
    """

    full_at: int
    busy_until: int

    def wait_ms(self, frames: int, now_ms: int) -> int:
        """Return how many milliseconds a replay of `frames` frames must wait; 0 for none."""
        affordable_at = self.full_at + frames * FRAME_MS - _BURST_MS
        return max(0, affordable_at - now_ms, RETRY_MS if self.busy_until > now_ms else 0)


def frames_of(sent: int, read_bytes: int) -> int:
    """Return a replay's cost: the frames sent, or the frames that the bytes read would fill."""
    return max(sent, -(-read_bytes // MAX_FRAME_BYTES))


def budget_in(item: Item, connection_id: str) -> Budget:
    """Return the budget in a user's item, for one of the user's connections."""
    connection = item.get(user_item.attribute(connection_id), {}).get("M", {})
    return Budget(number_of(item, "replay_full_at"), number_of(connection, "replaying_until"))


class ReplayBudgets:
    """The budgets in one table of connections."""

    def __init__(
        self, dynamodb: Service, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def take(self, user_id: str, connection_id: str, seen: Budget, frames: int) -> None:
        """Take frames for a replay that starts now; `settle` ends the replay.

        Raises
        ------
        OverBudget
            The budget has too few frames left, the connection has another replay, or a concurrent
            replay took the frames first.
        ServiceError
            DynamoDB failed.
        """
        now = int(self._clock() * 1000)
        if wait := seen.wait_ms(frames, now):
            raise OverBudget(wait)
        full_at, affordable, values = _taking(seen, now, frames * FRAME_MS)
        payload = {
            **user_item.key(self._table, user_id, connection_id),
            "UpdateExpression": (
                f"SET replay_full_at = {full_at}, #connection.replaying_until = :until"
            ),
            "ConditionExpression": f"{affordable} AND {_NOT_BUSY}",
            "ExpressionAttributeValues": to_item(values | {":now": now, ":until": now + BUSY_MS}),
        }
        if not self._done(payload):
            raise OverBudget(RETRY_MS)

    def settle(self, user_id: str, connection_id: str, unused: int) -> None:
        """End a connection's replay and give its unused frames back to the budget.

        `unused` is negative if the replay took more frames than it had reserved. If the connection
        was closed in the meantime, no frames are given back. Raises ServiceError.
        """
        payload = {
            **user_item.key(self._table, user_id, connection_id),
            "UpdateExpression": "ADD replay_full_at :back REMOVE #connection.replaying_until",
            # Frames are given back once, even if the request is sent twice.
            "ConditionExpression": "attribute_exists(#connection.replaying_until)",
            "ExpressionAttributeValues": to_item({":back": -unused * FRAME_MS}),
        }
        self._done(payload)

    def _done(self, payload: JsonObject) -> bool:
        try:
            self._dynamodb.call("UpdateItem", payload)
        except ServiceError as exc:
            if exc.code != user_item.CONDITION_FAILED:
                raise
            return False
        return True


def _taking(seen: Budget, now_ms: int, cost_ms: int) -> tuple[str, str, dict[str, str | int]]:
    """Return the expression for the new `full_at`, its condition, and the values of both."""
    if seen.full_at <= now_ms:
        idle = "(attribute_not_exists(replay_full_at) OR replay_full_at <= :now)"
        return ":full_at", idle, {":full_at": now_ms + cost_ms}
    # Other replays may have taken frames since the read, so DynamoDB computes the sum.
    values: dict[str, str | int] = {":cost": cost_ms, ":most": now_ms + _BURST_MS - cost_ms}
    return "replay_full_at + :cost", "replay_full_at <= :most", values

"""The subscriber. It stores each event in its owner's inbox, then posts it to the open connections.

The order matters: first the events and the head of the stream are stored, then the connections are
read, then each connection receives its frames in order. A redelivered event is always stored and
posted again, because the previous attempt may have failed between the two steps.

Progress events are stored and posted together with the others, but may be lost: whatever happens to
them, their messages are not received again, and one that is not stored makes no other event fail.
"""

from __future__ import annotations

import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import metrics, telemetry
from chalicelib.aws.invocation import deadline_of
from chalicelib.aws.service import blames_request, error_code
from chalicelib.delivery import batch as batches
from chalicelib.delivery.batch import Batch, Failure, Recipient
from chalicelib.delivery.posting import Poster
from chalicelib.engine.flow import run_flows
from chalicelib.errors import ServiceError
from chalicelib.protocol import server_frames
from chalicelib.store.inbox import RowKey, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.dynamodb import Row
    from chalicelib.aws.gateway import Gateway
    from chalicelib.aws.lambda_events import LambdaContext, SqsEvent, SqsResponse
    from chalicelib.engine.engine import Engine, Response
    from chalicelib.store.connections import Connection, Connections
    from chalicelib.store.inbox import Inbox

# kept free before the function's timeout, for reporting losses and returning the result
MARGIN_SECONDS = 2.0
NOT_STORED = "An event could not be stored; load your state again."


class Reached(NamedTuple):
    """A recipient, with the open connections of this user."""

    recipient: Recipient
    connections: Sequence[Connection]


class Deliver:
    """The `deliver` function."""

    def __init__(
        self,
        engine: Engine,
        gateway: Gateway,
        connections: Connections,
        inbox: Inbox,
        stage: str,
        max_receive_count: int,
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._connections = connections
        self._inbox = inbox
        self._stage = stage
        self._max_receive_count = max_receive_count

    def handle(self, event: SqsEvent, context: LambdaContext) -> SqsResponse:
        """Deliver one batch and return the messages that must be received again.

        The deadline is MARGIN_SECONDS before the function's timeout. Messages that are not
        delivered by then are returned as failed.
        """
        began = time.monotonic()
        deadline = deadline_of(context, MARGIN_SECONDS)
        poster = Poster(self._gateway, self._connections)
        batch = batches.read(event["Records"], self._stage, self._max_receive_count)
        stored = self._store(batch.recipients, poster, deadline)
        reached = self._find(stored, deadline)
        self._post(reached, poster, deadline)
        self._report_losses(batch.recipients, poster, deadline + MARGIN_SECONDS / 2)
        failed = batch.failed()
        _log(batch, failed, poster, began)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _store(
        self, recipients: Sequence[Recipient], poster: Poster, deadline: float
    ) -> list[Recipient]:
        """Store all events in one write and return the recipients whose events were all stored.

        A progress event that could not be stored is posted all the same.
        """
        rows = {
            recipient.user_id: self._inbox.rows(recipient.events.values())
            for recipient in recipients
        }
        progress = [
            row for recipient in recipients for row in self._inbox.rows(recipient.progress.values())
        ]
        durable = [row for some in rows.values() for row in some]
        refused = self._write([*durable, *progress], deadline)
        if refused:
            poster.counts[metrics.INBOX_FAILURES] += len(refused)
        for recipient in recipients:
            for row in rows[recipient.user_id]:
                if reason := refused.get(key_of(row)):
                    recipient.fail(Failure.NOT_STORED, reason)
        return [recipient for recipient in recipients if recipient.failure is None]

    def _write(self, rows: Sequence[Row], deadline: float) -> dict[RowKey, str]:
        """Write rows in one request; return the keys of refused rows, each with the reason.

        If DynamoDB refuses the whole request because of its content, at least one row is invalid.
        Each row is then written in a request of its own, so that only invalid rows fail.
        """
        if not rows:
            return {}
        [result] = self._engine.call_all([self._inbox.write(rows)], deadline)
        if len(rows) == 1 or not blames_request(result):
            return self._refused(rows, result)
        results = self._engine.call_all([self._inbox.write([row]) for row in rows], deadline)
        refused: dict[RowKey, str] = {}
        for row, alone in zip(rows, results, strict=True):
            refused |= self._refused([row], alone)
        return refused

    def _refused(self, rows: Sequence[Row], result: Response) -> dict[RowKey, str]:
        if result.status == 200:
            return dict.fromkeys(self._inbox.unprocessed(result), "unprocessed")
        return dict.fromkeys(map(key_of, rows), error_code(result))

    def _find(self, recipients: Sequence[Recipient], deadline: float) -> list[Reached]:
        """Read the connections of all recipients in one request.

        If DynamoDB refuses the whole request because of its content, at least one user id is
        invalid. Each user is then read in a request of its own, so that only invalid ids fail.
        """
        if not recipients:
            return []
        user_ids = [recipient.user_id for recipient in recipients]
        try:
            found = self._connections.of_users(user_ids, deadline)
        except ServiceError as exc:
            if exc.blames_request and len(recipients) > 1:
                return [found for one in recipients for found in self._find([one], deadline)]
            for recipient in recipients:
                recipient.fail(Failure.CONNECTIONS_NOT_READ, exc.code)
            return []
        reached = []
        for recipient in recipients:
            if recipient.user_id in found.unread:
                recipient.fail(Failure.CONNECTIONS_NOT_READ, "unprocessed")
            else:
                reached.append(Reached(recipient, found.by_user.get(recipient.user_id, [])))
        return reached

    def _post(self, reached: Sequence[Reached], poster: Poster, deadline: float) -> None:
        """Post each recipient's events to all connections of the recipient.

        The first connection of every user is served before the second connection of any user. A
        user with many connections therefore does not delay the others.
        """
        flows = []
        for recipient, connections in reached:
            frames = _frames(recipient) if connections else []
            flows.append([poster.post(recipient, each, frames) for each in connections])
        turns = chain.from_iterable(zip_longest(*flows))
        run_flows(self._engine, [flow for flow in turns if flow is not None], deadline)

    def _report_losses(
        self, recipients: Sequence[Recipient], poster: Poster, deadline: float
    ) -> None:
        """On the last receive of a message, notify the clients of users whose events could not be
        stored.
        """
        lost = [
            recipient
            for recipient in recipients
            if recipient.last_receive and recipient.failure is Failure.NOT_STORED
        ]
        frame = server_frames.error(None, server_frames.OVERLOADED, NOT_STORED).encode()
        flows = [
            poster.post(recipient, connection, [frame])
            for recipient, connections in self._find(lost, deadline)
            for connection in connections
        ]
        run_flows(self._engine, flows, deadline)


def _frames(recipient: Recipient) -> list[bytes]:
    """Return a recipient's events in order, progress last, in as few frames as possible."""
    in_order = sorted(recipient.events.values(), key=lambda event: event.place)
    items = [
        server_frames.event(event.text, event.epoch, event.offset, replayed=False)
        for event in (*in_order, *recipient.progress.values())
    ]
    return [frame.encode() for frame in server_frames.packed(items)]


def _log(batch: Batch, failed: Sequence[str], poster: Poster, began: float) -> None:
    for recipient in batch.recipients:
        if recipient.failure is not None:
            telemetry.error(
                "delivery failed",
                user_id=recipient.user_id,
                events=len(recipient.events),
                reason=recipient.reason,
            )
    counts: dict[metrics.Metric, float | list[float]] = {**poster.counts}
    if batch.invalid:
        counts[metrics.INVALID_MESSAGES] = len(batch.invalid)
    if latencies := _latencies(batch.recipients):
        counts[metrics.DELIVERY_LATENCY] = latencies
    telemetry.emit(counts)
    generations = [
        event.generation_id
        for recipient in batch.recipients
        for event in (*recipient.events.values(), *recipient.progress.values())
    ]
    if any(map(telemetry.detailed, generations)):
        elapsed = (time.monotonic() - began) * 1000
        telemetry.debug(
            "batch handled",
            received=batch.received,
            failed=len(failed),
            milliseconds=round(elapsed, 1),
            generations=generations,
        )


def _latencies(recipients: Sequence[Recipient]) -> list[float]:
    """Return, for each delivered event, the milliseconds from recording the result to the last
    post.
    """
    return [
        round((recipient.delivered_at - event.recorded_at) * 1000, 1)
        for recipient in recipients
        if recipient.delivered_at
        for event in recipient.events.values()
    ]

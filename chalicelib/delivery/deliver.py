"""The subscriber: takes a batch from the queue, stores each event in its owner's inbox, posts it
to the open pages.

Store first, push second. For each user: the events and the head are stored, then the connections
are read, then each connection gets the frames in order. All users go their way at once, in one
run of the engine. A redelivered event is stored and posted again, never skipped: the try before
may have died between the two.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from chalicelib import settings, telemetry
from chalicelib.aws import gateway, service
from chalicelib.aws.dynamodb import (
    BATCH_GET_ITEMS,
    BATCH_WRITE_ITEMS,
    Row,
    batch_write,
    request,
)
from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.errors import InvalidEvent, ServiceError
from chalicelib.protocol import events, server_frames
from chalicelib.retry import deadline_of
from chalicelib.store import connections, inbox
from chalicelib.store.connections import Connection

MARGIN_SECONDS = 2.0  # kept back to answer before the function is stopped
NOT_STORED = "An event could not be stored; load your state again."

_COUNTERS = {
    "delivered": "PostsDelivered",
    "gone": "PostsGone",
    "throttled": "PostsThrottled",
    "retryable": "PostsRetryable",
    "forbidden": "PostsForbidden",
}


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Deliver one batch and return which of its messages are to come again.

    `event` is an SQS event as Lambda hands it over, its bodies being events as published (raw
    delivery). What is not done shortly before the function's end is returned as failed.
    """
    batch = Batch(settings.load(settings.Deliver), service.engine())
    for record in event["Records"]:
        batch.add(record)
    failed = batch.run(deadline_of(context, MARGIN_SECONDS))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


Use = Callable[["User", list[Connection]], None]


class User:
    """One user's events in a batch, and how far they are."""

    __slots__ = (
        "delivered_at",
        "events",
        "failure",
        "last_receive",
        "message_ids",
        "unstored",
        "user_id",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.events: dict[str, events.Event] = {}  # by id: SQS may bring one twice
        self.message_ids: list[str] = []
        self.last_receive = False
        self.unstored = 0  # writes under way
        self.failure = ""
        self.delivered_at = 0.0  # epoch seconds; to the last page so far


class Batch:
    """A batch on its way through the engine."""

    def __init__(self, config: settings.Deliver, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._users: dict[str, User] = {}
        self._received = 0
        self._invalid: list[str] = []
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one message; one that is no event fails alone."""
        self._received += 1
        try:
            event = events.parse(record["body"])
        except InvalidEvent as exc:
            self._invalid.append(record["messageId"])
            telemetry.error("invalid message", message_id=record["messageId"], reason=str(exc))
            return
        if not event.user_id:
            # A notice whose owner the database could not tell: there is no page to find.
            telemetry.warning("notice without owner", event_id=event.id)
            return
        user = self._users.get(event.user_id)
        if user is None:
            user = self._users[event.user_id] = User(event.user_id)
        user.events[event.id] = event
        user.message_ids.append(record["messageId"])
        receives = int(record["attributes"]["ApproximateReceiveCount"])
        user.last_receive |= receives >= self._config.max_receive_count

    def run(self, deadline: float) -> list[str]:
        """Store and post everything, and return the ids of the messages that failed."""
        self._store()
        self._engine.run(deadline)
        self._tell_of_losses()
        self._engine.run(deadline + MARGIN_SECONDS / 2)
        failed = list(self._invalid)
        for user in self._users.values():
            if user.failure:
                failed += user.message_ids
                telemetry.error(
                    "delivery failed",
                    user_id=user.user_id,
                    events=len(user.events),
                    reason=user.failure,
                )
        self._report(failed)
        return failed

    # --- store ---

    def _store(self) -> None:
        writes: list[tuple[User, Row]] = []
        for user in self._users.values():
            rows = self._rows(user)
            user.unstored = len(rows)
            writes += [(user, row) for row in rows]
        for start in range(0, len(writes), BATCH_WRITE_ITEMS):
            self._write(writes[start : start + BATCH_WRITE_ITEMS])

    def _rows(self, user: User) -> list[Row]:
        days = self._config.inbox_retention_days
        rows = []
        last = None
        for event in user.events.values():
            rows.append(inbox.row_of(event, days))
            if event.offset is not None and (last is None or _place(event) > _place(last)):
                last = event
        if last is not None:
            rows.append(inbox.head_row(last, days))
        return rows

    def _write(self, writes: list[tuple[User, Row]]) -> None:
        table = self._config.inbox_table

        def then(result: Response) -> None:
            invalid = result.status == 400 and service.error_code(result) == "ValidationException"
            if invalid and len(writes) > 1:
                for write in writes:  # one item is at fault: each on its own
                    self._write([write])
                return
            left = _unprocessed(result, table)
            stored = []
            for user, row in writes:
                user.unstored -= 1
                if result.status != 200:
                    self._not_stored(user, service.error_code(result))
                elif left and (row["user_id"], row["position"]) in left:
                    self._not_stored(user, "unprocessed")
                elif not user.unstored and not user.failure:
                    stored.append(user)
            self._read_connections(stored, self._post_events)

        self._engine.submit(batch_write(table, [row for _, row in writes]), then)

    def _not_stored(self, user: User, reason: str) -> None:
        self._counts["InboxFailures"] += 1
        user.failure = f"not stored: {reason}"

    # --- read the connections ---

    def _read_connections(self, users: list[User], use: Use) -> None:
        table = self._config.connections_table

        def then(result: Response, users: list[User]) -> None:
            try:
                pages, unread = connections.from_read(
                    table, service.answer(service.DYNAMODB, result)
                )
            except ServiceError as exc:
                for user in users:
                    user.failure = user.failure or f"connections not read: {exc.code}"
                return
            for user in users:
                if user.user_id in unread:
                    user.failure = user.failure or "connections not read: unprocessed"
                else:
                    use(user, pages.get(user.user_id, []))

        for start in range(0, len(users), BATCH_GET_ITEMS):
            some = users[start : start + BATCH_GET_ITEMS]
            payload = connections.read_payload(table, [user.user_id for user in some])
            self._engine.submit(request("BatchGetItem", payload), partial(then, users=some))

    # --- post ---

    def _post_events(self, user: User, open_pages: list[Connection]) -> None:
        items = [
            server_frames.event(event.text, event.epoch, event.offset, replayed=False)
            for event in sorted(user.events.values(), key=_place)
        ]
        wire = [frame.encode() for frame in server_frames.packed(items)]
        for page in open_pages:
            if page.over:
                self._forget(page)
            elif page.token_expired:
                self._end(page)
            else:
                self._post(user, page, wire, 0)

    def _post(self, user: User, page: Connection, wire: list[bytes], index: int) -> None:
        def then(result: Response) -> None:
            if self._posted(user, page, result) and index + 1 < len(wire):
                self._post(user, page, wire, index + 1)

        self._engine.submit(gateway.post(_management(), page.connection_id, wire[index]), then)

    def _posted(self, user: User, page: Connection, result: Response) -> bool:
        outcome = gateway.outcome(result)
        self._counts[_COUNTERS[outcome]] += 1
        if outcome == "delivered":
            user.delivered_at = time.time()
        elif outcome == "gone" and not page.young:
            self._forget(page)
        elif outcome == "forbidden":
            user.failure = "posting is forbidden: check the function's rights"
        elif result.reason == "deadline":
            user.failure = "the time ran out"
        return outcome == "delivered"

    def _end(self, page: Connection) -> None:
        """Close a page whose token has ended: it comes back with a fresh one and replays."""
        close = server_frames.close(server_frames.TOKEN_EXPIRED).encode()

        def then(result: Response) -> None:
            self._forget(page)
            self._submit_and_forget(gateway.close(_management(), page.connection_id))

        self._engine.submit(gateway.post(_management(), page.connection_id, close), then)

    def _forget(self, page: Connection) -> None:
        table = self._config.connections_table
        payload = connections.forget_payload(table, page.user_id, page.connection_id)
        self._submit_and_forget(request("UpdateItem", payload))

    def _submit_and_forget(self, wanted: Request) -> None:
        def then(result: Response) -> None:
            if (
                result.status in (200, 204, 410)
                or service.error_code(result) == connections.NOT_THERE
            ):
                return
            # The next 410 does it as well.
            telemetry.warning("clean-up failed", reason=service.error_code(result))

        self._engine.submit(wanted, then)

    # --- the end ---

    def _tell_of_losses(self) -> None:
        """On the last receive, tell the open pages of a user whose events could not be stored."""
        lost = [
            user
            for user in self._users.values()
            if user.last_receive and user.failure.startswith("not stored")
        ]
        self._read_connections(lost, self._post_loss)

    def _post_loss(self, user: User, open_pages: list[Connection]) -> None:
        wire = [server_frames.error(None, server_frames.OVERLOADED, NOT_STORED).encode()]
        for page in open_pages:
            self._post(user, page, wire, 0)

    def _report(self, failed: list[str]) -> None:
        latencies = [
            (user.delivered_at - event.recorded_at) * 1000
            for user in self._users.values()
            if user.delivered_at
            for event in user.events.values()
        ]
        self._counts["EventsReceived"] += self._received
        self._counts["InvalidMessages"] += len(self._invalid)
        values: dict[str, float | list[float]] = {**self._counts}
        if latencies:
            values["DeliveryLatencyMs"] = latencies[:100]
        elapsed = (time.monotonic() - self._began) * 1000
        telemetry.metrics(
            properties={"failed": len(failed), "milliseconds": round(elapsed, 1)}, **values
        )


def _place(event: events.Event) -> tuple[str, int]:
    return event.epoch or "", event.offset or 0


def _unprocessed(result: Response, table: str) -> set[tuple[str, str]]:
    if result.status != 200:
        return set()
    left = json.loads(result.body).get("UnprocessedItems", {}).get(table, [])
    items = [write["PutRequest"]["Item"] for write in left]
    return {(item["user_id"]["S"], item["position"]["S"]) for item in items}


@cache
def _management() -> Endpoint:
    config = settings.load(settings.Deliver)
    return gateway.management_endpoint(config.management_endpoint, rate=config.posts_per_second)

"""Computes Herald's AWS bill for a month from given inputs.

Each line has a quantity and its price. There are three groups of costs: those of each notification,
those of open connections, and the fixed costs of a deployment.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from chalicelib.metrics import REGISTRY
from chalicelib.protocol.server_frames import LIFETIME_MS
from chalicelib.store.connections import KEEP_SECONDS
from cli.cost.inputs import Inputs
from cli.cost.prices import MILLION, cost
from cli.cost.quantities import (
    DATA_KEY_MINUTES,
    DATA_KEY_REQUESTS,
    FULL,
    HTTP_ACCESS_LINE,
    KEEPALIVE,
    KEY_REQUESTS,
    LEAN,
    LOGGED,
    NOTIFICATION,
    OPENING,
    QUEUES,
    RARE_SHARE,
    RENEWAL,
    USUAL_METRICS,
    WEBSOCKET_ACCESS_LINE,
)
from cli.cost.volumes import DAYS, MINUTES, Volumes, volumes

GROUPS = ("notifications", "connections", "deployment")
Group = Literal["notifications", "connections", "deployment"]

GB = 1e9
INDEX_OVERHEAD = 100  # bytes of an item, DynamoDB's own for storage
SMALL_FRAME = 150  # bytes of a pong or welcome
OPENED = ("authorize", "connect", "message-hello", "disconnect")  # the calls of a connection
SCHEDULED = ("relay", "reconcile")  # functions that run every minute
POLLERS, POLLS_A_MINUTE = 5, 3  # Lambda's long polls of an idle queue, 20 s each
TRACED_A_SECOND, TRACED_SHARE = 1, 0.05  # X-Ray's default: one call a second, and 5 % of the others


class Line(NamedTuple):
    """One line of the bill."""

    group: Group
    service: str
    what: str
    quantity: float
    price: str  # name of the price in PRICES
    amount: float  # dollars per month


def bill(given: Inputs) -> list[Line]:
    """Return the lines of a month's bill.

    A price with tiers applies to the total of the month. The amount is then divided among the lines
    in proportion to their quantities.
    """
    counted = [*_of_notifications(given), *_of_connections(given), *_of_the_deployment(given)]
    totals: dict[str, float] = {}
    for line in counted:
        totals[line.price] = totals.get(line.price, 0) + line.quantity
    prices = dict(given.prices)
    return [
        line._replace(
            amount=cost(prices, line.price, totals[line.price]) * line.quantity / totals[line.price]
        )
        for line in counted
        if line.quantity
    ]


def _of_notifications(given: Inputs) -> Iterator[Line]:
    group: Group = "notifications"
    counts, each = volumes(given), NOTIFICATION
    item = given.event_bytes + each.item_overhead
    frame = given.event_bytes + each.frame_overhead
    stored = counts.notifications * given.kept_days / DAYS * (item + INDEX_OVERHEAD) / GB
    if not given.function_url:
        yield _line(group, "HTTP API", "webhooks", counts.notifications, "http-request")
    yield from _calls(group, given, "callback", counts.notifications)
    publishes = each.publishes * counts.notifications
    yield _line(group, "SNS", "publishes", publishes, "sns-publish")
    sends = each.queue_sends * counts.notifications
    yield _line(group, "SQS", "deliveries from SNS", sends, "sqs-request")
    calls = each.queue_calls_of_a_batch * counts.batches
    yield _line(group, "SQS", "receives and deletes by batch", calls, "sqs-request")
    yield from _calls(group, given, "deliver", counts.batches)
    writes = each.rows * counts.notifications * math.ceil(item / 1024)
    yield _line(group, "DynamoDB", "events into the inbox", writes, "dynamodb-write")
    yield _line(group, "DynamoDB", "heads of silent streams", counts.marks, "dynamodb-write")
    yield _line(group, "DynamoDB", "connections read", counts.users_in_batches, "dynamodb-read")
    yield _line(group, "DynamoDB", "inbox kept", stored, "dynamodb-storage")
    if not given.lean:
        yield _line(group, "DynamoDB", "inbox recoverable", stored, "dynamodb-recovery")
    messages = counts.posts * math.ceil(frame / 32_768)
    yield _line(group, "API Gateway", "events posted", messages, "websocket-message")
    yield _line(group, "Transfer", "events to clients", counts.posts * frame / GB, "transfer-out")
    logged = counts.notifications * LOGGED["callback"] + counts.batches * LOGGED["deliver"]
    if not given.function_url:
        logged += counts.notifications * HTTP_ACCESS_LINE
    yield from _logs(group, given, logged)


def _of_connections(given: Inputs) -> Iterator[Line]:
    group: Group = "connections"
    counts = volumes(given)
    connects, pings, auths = counts.connects, counts.pings, counts.auths
    frames = counts.replayed * (given.event_bytes + NOTIFICATION.frame_overhead)
    gateway, dynamodb = "API Gateway", "DynamoDB"
    sent = {
        "keepalives": KEEPALIVE.messages * counts.keepalives,
        "pings and pongs": KEEPALIVE.ping_messages * pings,
        "connects, hellos, disconnects": OPENING.messages * connects,
        "replay frames": max(counts.replays, frames / 32_768),
        "renewed tokens": RENEWAL.messages * auths,
    }
    yield _line(group, gateway, "connection-minutes", counts.minutes, "websocket-minute")
    for what, quantity in sent.items():
        yield _line(group, gateway, what, quantity, "websocket-message")
    calls = dict.fromkeys(OPENED, connects) | {"message-ping": pings, "message-auth": auths}
    for name, quantity in calls.items():
        yield from _calls(group, given, name, quantity)
    written = OPENING.writes * connects + RENEWAL.writes * auths
    yield _line(group, dynamodb, "connections written", written, "dynamodb-write")
    hellos = OPENING.reads * connects + max(counts.replays, frames / 4096)
    yield _line(group, dynamodb, "hellos", hellos, "dynamodb-read")
    yield _line(group, dynamodb, "heads for pongs", KEEPALIVE.ping_reads * pings, "dynamodb-read")
    rows = given.users * given.connections * given.hours / 24 * KEEP_SECONDS / (LIFETIME_MS / 1000)
    yield _line(group, dynamodb, "connections kept", rows * 300 / GB, "dynamodb-storage")
    out = (frames + SMALL_FRAME * (OPENING.answers * connects + pings + auths)) / GB
    yield _line(group, "Transfer", "answers and replays", out, "transfer-out")
    requests = OPENING.requests * connects + counts.keepalives + pings + auths
    logged = sum(quantity * LOGGED[name] for name, quantity in calls.items())
    yield from _logs(group, given, logged + requests * WEBSOCKET_ACCESS_LINE)


def _of_the_deployment(given: Inputs) -> Iterator[Line]:
    group: Group = "deployment"
    has = LEAN if given.lean else FULL
    for name in SCHEDULED:
        yield from _calls(group, given, name, MINUTES)
    yield _line(
        group,
        "EventBridge",
        "runs of the relay and of reconcile",
        len(SCHEDULED) * MINUTES,
        "schedule",
    )
    polls = QUEUES * POLLERS * POLLS_A_MINUTE * MINUTES
    yield _line(group, "SQS", "polls of idle queues", polls, "sqs-request")
    yield _line(group, "KMS", "keys", has.keys, "kms-key")
    asked = MINUTES / 5 * KEY_REQUESTS + MINUTES / DATA_KEY_MINUTES * DATA_KEY_REQUESTS
    yield _line(group, "KMS", "data keys and decryptions", asked, "kms-request")
    yield _line(group, "Secrets Manager", "secrets", has.secrets, "secret")
    metrics = USUAL_METRICS + RARE_SHARE * (len(REGISTRY) - USUAL_METRICS)
    yield _line(group, "CloudWatch", "metrics of Herald's own", metrics, "metric")
    yield _line(group, "CloudWatch", "metrics under alarm", has.alarm_metrics, "alarm")
    yield _line(group, "CloudWatch", "dashboard", has.dashboards, "dashboard")
    if given.tracing:
        yield _line(group, "X-Ray", "traces recorded", _traces(volumes(given)), "trace")
    yield from _logs(group, given, MINUTES * LOGGED["relay"])


def _traces(counts: Volumes) -> float:
    """Count each function's traced calls, assuming that calls are spread evenly over time."""
    message = counts.connects + counts.pings + counts.auths
    calls = (
        counts.notifications,
        counts.batches,
        *len(SCHEDULED) * [MINUTES],
        message,
        *3 * [counts.connects],
    )
    always = TRACED_A_SECOND * 60 * MINUTES
    return sum(min(each, always) + TRACED_SHARE * max(0.0, each - always) for each in calls)


def _line(group: Group, service: str, what: str, quantity: float, price: str) -> Line:
    return Line(group, service, what, quantity, price, 0.0)


def _calls(group: Group, given: Inputs, name: str, calls: float) -> Iterator[Line]:
    memory = given.memory[name.partition("-")[0]]
    milliseconds = math.ceil(given.durations[name]) + given.cold_share * given.cold_ms
    seconds = calls * milliseconds / 1000
    yield _line(group, "Lambda", f"{name}: calls", calls, "lambda-request")
    price = "lambda-gb-second" + ("-arm" if given.architecture == "arm64" else "")
    yield _line(group, "Lambda", f"{name}: time", seconds * memory / 1024, price)


def _logs(group: Group, given: Inputs, logged: float) -> Iterator[Line]:
    written = logged / GB
    yield _line(group, "CloudWatch", "logs written", written, "log-ingestion")
    yield _line(group, "CloudWatch", "logs kept", written * given.log_days / DAYS, "log-storage")


class Summary(NamedTuple):
    """The dollars of a month, in total and per million."""

    total: float
    per_million_notifications: float  # costs of notifications only
    per_million_minutes: float  # costs of connections only
    deployment: float


def summary(given: Inputs, lines: list[Line] | None = None) -> Summary:
    """Add up the lines."""
    lines = bill(given) if lines is None else lines
    counts = volumes(given)
    sums = {group: sum(line.amount for line in lines if line.group == group) for group in GROUPS}
    return Summary(
        sum(sums.values()),
        per_million(sums["notifications"], counts.notifications),
        per_million(sums["connections"], counts.minutes),
        sums["deployment"],
    )


def per_million(amount: float, quantity: float) -> float:
    """Return the cost per million units, or 0 if there are no units."""
    return amount / quantity * MILLION if quantity else 0.0

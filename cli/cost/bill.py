"""Computes Herald's AWS bill for a month from given inputs.

Each line has a quantity and its price. The groups of costs are those of each notification, of open
connections, of kept outputs, of look-ups, and the fixed costs of a deployment.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.metrics import REGISTRY
from chalicelib.protocol.server_frames import LIFETIME_MS
from chalicelib.store.connections import KEEP_SECONDS
from cli.cost.inputs import Inputs
from cli.cost.lines import (
    GB,
    GROUPS,
    INDEX_OVERHEAD,
    Group,
    Line,
    call_lines,
    log_lines,
    to_line,
)
from cli.cost.outputs import of_lookups, of_outputs
from cli.cost.prices import MILLION, cost
from cli.cost.quantities import (
    DATA_KEY_MINUTES,
    DATA_KEY_REQUESTS,
    FULL,
    HTTP_ACCESS_LINE,
    KEEPALIVE,
    KEEPING,
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
from cli.cost.volumes import DAYS, MINUTES, volumes

SMALL_FRAME = 150  # bytes of a pong or welcome
OPENED = ("authorize", "connect", "message-hello", "disconnect")  # the calls of a connection
SCHEDULED = ("relay", "reconcile")  # functions that run every minute
POLLERS, POLLS_A_MINUTE = 5, 3  # Lambda's long polls of an idle queue, 20 s each
TRACED_A_SECOND, TRACED_SHARE = 1, 0.05  # X-Ray's default: one call a second, and 5 % of the others


def bill(given: Inputs) -> list[Line]:
    """Return the lines of a month's bill.

    A price with tiers applies to the total of the month. The amount is then divided among the lines
    in proportion to their quantities.
    """
    counted = [
        *_of_notifications(given),
        *_of_connections(given),
        *of_outputs(given),
        *of_lookups(given),
        *_of_the_deployment(given),
    ]
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
        yield to_line(group, "HTTP API", "webhooks", counts.notifications, "http-request")
    yield from call_lines(group, given, "callback", counts.notifications)
    publishes = each.publishes * counts.notifications
    yield to_line(group, "SNS", "publishes", publishes, "sns-publish")
    sends = each.queue_sends * counts.notifications
    yield to_line(group, "SQS", "deliveries from SNS", sends, "sqs-request")
    calls = each.queue_calls_of_a_batch * counts.batches
    yield to_line(group, "SQS", "receives and deletes by batch", calls, "sqs-request")
    yield from call_lines(group, given, "deliver", counts.batches)
    writes = each.rows * counts.notifications * math.ceil(item / 1024)
    yield to_line(group, "DynamoDB", "events into the inbox", writes, "dynamodb-write")
    yield to_line(group, "DynamoDB", "heads of silent streams", counts.marks, "dynamodb-write")
    yield to_line(group, "DynamoDB", "connections read", counts.users_in_batches, "dynamodb-read")
    yield to_line(group, "DynamoDB", "inbox kept", stored, "dynamodb-storage")
    if not given.lean:
        yield to_line(group, "DynamoDB", "inbox recoverable", stored, "dynamodb-recovery")
    messages = counts.posts * math.ceil(frame / 32_768)
    yield to_line(group, "API Gateway", "events posted", messages, "websocket-message")
    yield to_line(group, "Transfer", "events to clients", counts.posts * frame / GB, "transfer-out")
    logged = counts.notifications * LOGGED["callback"] + counts.batches * LOGGED["deliver"]
    if not given.function_url:
        logged += counts.notifications * HTTP_ACCESS_LINE
    yield from log_lines(group, given, logged)


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
    yield to_line(group, gateway, "connection-minutes", counts.minutes, "websocket-minute")
    for what, quantity in sent.items():
        yield to_line(group, gateway, what, quantity, "websocket-message")
    calls = dict.fromkeys(OPENED, connects) | {"message-ping": pings, "message-auth": auths}
    for name, quantity in calls.items():
        yield from call_lines(group, given, name, quantity)
    written = OPENING.writes * connects + RENEWAL.writes * auths
    yield to_line(group, dynamodb, "connections written", written, "dynamodb-write")
    hellos = OPENING.reads * connects + max(counts.replays, frames / 4096)
    yield to_line(group, dynamodb, "hellos", hellos, "dynamodb-read")
    yield to_line(group, dynamodb, "heads for pongs", KEEPALIVE.ping_reads * pings, "dynamodb-read")
    rows = given.users * given.connections * given.hours / 24 * KEEP_SECONDS / (LIFETIME_MS / 1000)
    yield to_line(group, dynamodb, "connections kept", rows * 300 / GB, "dynamodb-storage")
    out = (frames + SMALL_FRAME * (OPENING.answers * connects + pings + auths)) / GB
    yield to_line(group, "Transfer", "answers and replays", out, "transfer-out")
    requests = OPENING.requests * connects + counts.keepalives + pings + auths
    logged = sum(quantity * LOGGED[name] for name, quantity in calls.items())
    yield from log_lines(group, given, logged + requests * WEBSOCKET_ACCESS_LINE)


def _of_the_deployment(given: Inputs) -> Iterator[Line]:
    group: Group = "deployment"
    has = LEAN if given.lean else FULL
    for name in SCHEDULED:
        yield from call_lines(group, given, name, MINUTES)
    yield to_line(
        group,
        "EventBridge",
        "runs of the relay and of reconcile",
        len(SCHEDULED) * MINUTES,
        "schedule",
    )
    queues, keys, secrets, alarm_metrics = QUEUES, has.keys, has.secrets, has.alarm_metrics
    key_requests = KEY_REQUESTS
    metrics = USUAL_METRICS + RARE_SHARE * (len(REGISTRY) - USUAL_METRICS)
    if given.keep_outputs:
        queues += KEEPING.queues
        keys += KEEPING.keys
        secrets += KEEPING.secrets
        alarm_metrics += KEEPING.lean_alarm_metrics if given.lean else KEEPING.alarm_metrics
        key_requests += KEEPING.key_requests
        metrics += (1 - RARE_SHARE) * KEEPING.usual_metrics
    polls = queues * POLLERS * POLLS_A_MINUTE * MINUTES
    yield to_line(group, "SQS", "polls of idle queues", polls, "sqs-request")
    yield to_line(group, "KMS", "keys", keys, "kms-key")
    asked = MINUTES / 5 * key_requests + MINUTES / DATA_KEY_MINUTES * DATA_KEY_REQUESTS
    yield to_line(group, "KMS", "data keys and decryptions", asked, "kms-request")
    yield to_line(group, "Secrets Manager", "secrets", secrets, "secret")
    yield to_line(group, "CloudWatch", "metrics of Herald's own", metrics, "metric")
    yield to_line(group, "CloudWatch", "metrics under alarm", alarm_metrics, "alarm")
    yield to_line(group, "CloudWatch", "dashboard", has.dashboards, "dashboard")
    if given.tracing:
        yield to_line(group, "X-Ray", "traces recorded", _traces(given), "trace")
    yield from log_lines(group, given, MINUTES * LOGGED["relay"])


def _traces(given: Inputs) -> float:
    """Count each function's traced calls, assuming that calls are spread evenly over time."""
    counts = volumes(given)
    message = counts.connects + counts.pings + counts.auths
    calls = (
        counts.notifications,
        counts.batches,
        *len(SCHEDULED) * [MINUTES],
        message,
        *3 * [counts.connects],
        counts.kept,
        counts.links,
    )
    always = TRACED_A_SECOND * 60 * MINUTES
    return sum(min(each, always) + TRACED_SHARE * max(0.0, each - always) for each in calls)


class Summary(NamedTuple):
    """The dollars of a month, in total and per million."""

    total: float
    per_million_notifications: float  # costs of notifications only
    per_million_minutes: float  # costs of connections only
    deployment: float
    per_million_results_kept: float  # costs of kept outputs only
    per_million_lookups: float  # costs of look-ups only


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
        per_million(sums["outputs"], counts.kept),
        per_million(sums["lookups"], counts.lookups),
    )


def per_million(amount: float, quantity: float) -> float:
    """Return the cost per million units, or 0 if there are no units."""
    return amount / quantity * MILLION if quantity else 0.0

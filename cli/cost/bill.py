"""Computes Herald's AWS bill for a month from given inputs.

Each line has a quantity and its price. There are three groups of costs: those of each notification,
those of open connections, and the fixed costs of a deployment.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from chalicelib.metrics import REGISTRY
from chalicelib.protocol.server_frames import LIFETIME_MS, PING_MS
from chalicelib.store.connections import KEEP_SECONDS
from cli.cost.inputs import Inputs
from cli.cost.prices import MILLION, cost

GROUPS = ("notifications", "connections", "deployment")
Group = Literal["notifications", "connections", "deployment"]

DAYS = 30
HOURS = 24 * DAYS
MINUTES = 60 * HOURS
GB = 1e9

# Measured bytes of the log lines that a function writes in each call. Lambda adds lines of its own.
LOGGED = {
    "callback": 470,
    "relay": 400,
    "deliver": 285,
    "authorize": 81,
    "connect": 88,
    "message-hello": 179,
    "disconnect": 91,
}
LAMBDA_LINES, ACCESS_LINE = 305, 380
ITEM_OVERHEAD, INDEX_OVERHEAD = 106, 100  # keys, names and expiry; DynamoDB's own for storage
FRAME_OVERHEAD, SMALL_FRAME = 101, 150  # around an event; a pong, welcome or caught_up
POLLERS, POLLS_A_MINUTE = 5, 3  # Lambda's long polls of an idle queue, 20 s each
KEYS, SECRETS = 4, 3
ALARM_METRICS = 62  # metrics that the alarms read; tests/infra/test_contract.py counts them
TRACED_A_SECOND, TRACED_SHARE = 1, 0.05  # X-Ray's default: one call a second, and 5 % of the others
KEY_USERS = 12  # pairs of role and encrypted store; each asks KMS every five minutes


class Volumes(NamedTuple):
    """The quantities of a month."""

    notifications: float
    batches: float
    # the users of each batch, summed up; one user's events in a batch share a head, a read, a frame
    users_in_batches: float
    posts: float
    minutes: float  # minutes of open connections
    connects: float
    pings: float
    auths: float
    replayed: float  # events
    replays: float  # hello frames of clients that had missed events


def volumes(given: Inputs) -> Volumes:
    """Compute the quantities of a month."""
    notifications = given.users * given.notifications
    batches = notifications / given.batch
    users_in_batch = given.users * -math.expm1(given.batch * _log_of_others(given.users))
    minutes = given.users * given.connections * given.hours * 60 * DAYS
    # clients renew at 90 to 100 % of the lifetime
    rotations = minutes * 60_000 / (0.95 * LIFETIME_MS)
    connects = rotations + minutes / 60 * given.reconnects
    replayed = notifications * (1 - given.online) * given.connections
    return Volumes(
        notifications,
        batches,
        batches * users_in_batch,
        batches * users_in_batch * given.connections * given.online,
        minutes,
        connects,
        minutes * 60_000 / PING_MS,
        minutes / (given.token_minutes * 0.8),
        replayed,
        min(replayed, connects),
    )


def _log_of_others(users: float) -> float:
    return math.log1p(-1 / users) if users > 1 else -math.inf


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
    counts = volumes(given)
    item = given.event_bytes + ITEM_OVERHEAD
    frame = given.event_bytes + FRAME_OVERHEAD
    stored = counts.notifications * given.retention_days / DAYS * (item + INDEX_OVERHEAD) / GB
    yield _line(group, "HTTP API", "webhooks", counts.notifications, "http-request")
    yield from _calls(group, given, "callback", counts.notifications)
    yield _line(group, "SNS", "publishes", counts.notifications, "sns-publish")
    yield _line(group, "SQS", "deliveries from SNS", counts.notifications, "sqs-request")
    yield _line(group, "SQS", "receives and deletes by batch", 2 * counts.batches, "sqs-request")
    yield from _calls(group, given, "deliver", counts.batches)
    writes = counts.notifications * math.ceil(item / 1024)
    yield _line(group, "DynamoDB", "events into the inbox", writes, "dynamodb-write")
    yield _line(group, "DynamoDB", "heads of streams", counts.users_in_batches, "dynamodb-write")
    yield _line(group, "DynamoDB", "connections read", counts.users_in_batches, "dynamodb-read")
    yield _line(group, "DynamoDB", "inbox kept", stored, "dynamodb-storage")
    yield _line(group, "DynamoDB", "inbox recoverable", stored, "dynamodb-recovery")
    messages = counts.posts * math.ceil(frame / 32_768)
    yield _line(group, "API Gateway", "events posted", messages, "websocket-message")
    yield _line(group, "Transfer", "events to clients", counts.posts * frame / GB, "transfer-out")
    calls = {"callback": counts.notifications, "deliver": counts.batches}
    yield from _logs(group, given, calls, counts.notifications)


def _of_connections(given: Inputs) -> Iterator[Line]:
    group: Group = "connections"
    counts = volumes(given)
    connects, pings, auths = counts.connects, counts.pings, counts.auths
    frames = counts.replayed * (given.event_bytes + FRAME_OVERHEAD)
    replay_frames = max(counts.replays, frames / 32_768)
    gateway = "API Gateway"
    yield _line(group, gateway, "connection-minutes", counts.minutes, "websocket-minute")
    yield _line(group, gateway, "pings and pongs", 2 * pings, "websocket-message")
    # $connect and $disconnect are counted as one message each. This is the highest count that AWS's
    # description allows.
    yield _line(group, gateway, "connects, hellos, disconnects", 5 * connects, "websocket-message")
    yield _line(group, gateway, "replay frames", replay_frames, "websocket-message")
    yield _line(group, gateway, "renewed tokens", 2 * auths, "websocket-message")
    for name in ("authorize", "connect", "message-hello", "disconnect"):
        yield from _calls(group, given, name, connects)
    yield from _calls(group, given, "message-ping", pings)
    yield from _calls(group, given, "message-auth", auths)
    dynamodb = "DynamoDB"
    yield _line(group, dynamodb, "connections written", 3 * connects + auths, "dynamodb-write")
    # A hello frame reads the head, the notices and the missed events.
    missed = max(counts.replays, frames / 4096)
    yield _line(group, dynamodb, "hellos", 2 * connects + missed, "dynamodb-read")
    yield _line(group, dynamodb, "heads for pongs", pings, "dynamodb-read")
    rows = given.users * given.connections * given.hours / 24 * KEEP_SECONDS / (LIFETIME_MS / 1000)
    yield _line(group, dynamodb, "connections kept", rows * 300 / GB, "dynamodb-storage")
    out = (frames + SMALL_FRAME * (2 * connects + pings + auths)) / GB
    yield _line(group, "Transfer", "answers and replays", out, "transfer-out")
    calls = dict.fromkeys(("authorize", "connect", "message-hello", "disconnect"), connects)
    calls |= {"message-ping": pings, "message-auth": auths}
    yield from _logs(group, given, calls, 3 * connects + pings + auths)


def _of_the_deployment(given: Inputs) -> Iterator[Line]:
    group: Group = "deployment"
    yield from _calls(group, given, "relay", MINUTES)
    yield _line(group, "EventBridge", "runs of the relay", MINUTES, "schedule")
    polls = POLLERS * POLLS_A_MINUTE * MINUTES
    yield _line(group, "SQS", "polls of an idle queue", polls, "sqs-request")
    yield _line(group, "KMS", "keys", KEYS, "kms-key")
    # KMS requests every five minutes: one for each of KEY_USERS, two for each of two producers, one
    # for each of two consumers, and one for DynamoDB's key cache.
    asked = MINUTES / 5 * (KEY_USERS + 2 * 2 + 2 * 1 + 1)
    yield _line(group, "KMS", "data keys and decryptions", asked, "kms-request")
    yield _line(group, "Secrets Manager", "secrets", SECRETS, "secret")
    yield _line(group, "CloudWatch", "metrics of Herald's own", len(REGISTRY), "metric")
    yield _line(group, "CloudWatch", "metrics under alarm", ALARM_METRICS, "alarm")
    yield _line(group, "CloudWatch", "dashboard", 1, "dashboard")
    if given.tracing:
        yield _line(group, "X-Ray", "traces recorded", _traces(volumes(given)), "trace")
    yield from _logs(group, given, {"relay": MINUTES}, 0)


def _traces(counts: Volumes) -> float:
    """Count each function's traced calls, assuming that calls are spread evenly over time."""
    message = counts.connects + counts.pings + counts.auths
    calls = (counts.notifications, counts.batches, MINUTES, message, *3 * [counts.connects])
    always = TRACED_A_SECOND * 60 * MINUTES
    return sum(min(each, always) + TRACED_SHARE * max(0.0, each - always) for each in calls)


def _line(group: Group, service: str, what: str, quantity: float, price: str) -> Line:
    return Line(group, service, what, quantity, price, 0.0)


def _calls(group: Group, given: Inputs, name: str, calls: float) -> Iterator[Line]:
    memory = given.memory[name.partition("-")[0]]
    milliseconds = math.ceil(given.durations[name]) + given.cold_share * given.cold_ms
    seconds = calls * milliseconds / 1000
    yield _line(group, "Lambda", f"{name}: calls", calls, "lambda-request")
    yield _line(group, "Lambda", f"{name}: time", seconds * memory / 1024, "lambda-gb-second")


def _logs(
    group: Group, given: Inputs, calls: Mapping[str, float], requests: float
) -> Iterator[Line]:
    written = sum(number * (LAMBDA_LINES + LOGGED.get(name, 0)) for name, number in calls.items())
    written = (written + requests * ACCESS_LINE) / GB
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

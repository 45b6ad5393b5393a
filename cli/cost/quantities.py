"""What Herald does, in the units that AWS bills: the quantities behind the bill.

Each number has one cause in the code or in Terraform. `tests/unit/cli/test_*_quantities.py`,
`tests/integration/test_bill.py` and `tests/infra/test_bill.py` compare the numbers with their
causes.
"""

import math
from typing import NamedTuple

from chalicelib.aws.s3 import PART_BYTES

# --- a connection ---


class Opening(NamedTuple):
    """One connection, from $connect to $disconnect, without what happens in between.

    AWS does not say clearly whether $connect and $disconnect are billed as messages. The worst case
    is assumed: one message each. The others are hello and its answer. A hello that replays events
    has further frames, which are counted by the events.
    """

    messages: int = 4
    writes: int = 2  # connect stores the connection, disconnect deletes it
    reads: int = 3  # of a hello: the user's item, the head, and the events outside the stream
    answers: int = 1  # frames to the client
    requests: int = 3  # lines of the access log: $connect, the hello, $disconnect


class Keepalive(NamedTuple):
    """A client sends a frame before API Gateway would close a silent connection.

    Any frame of either side postpones the next one. Every `ping_every`th is a ping, which calls the
    function and is answered; the others go to a route without function and answer. Only what shows
    the head of the stream postpones the ping: opening, an event, and the ping itself.
    """

    longest_minutes: float = 8.5
    spread: float = 0.1  # the share of the longest time by which it is shortened at random, at most
    ping_every: int = 2
    margin_seconds: float = 70.0  # by which a ping is earlier than `ping_every` longest times
    messages: int = 1
    ping_messages: int = 2
    ping_reads: int = 1

    @property
    def minutes(self) -> float:
        """The mean silence before a keepalive."""
        return self.longest_minutes * (1 - self.spread / 2)

    @property
    def ping_minutes(self) -> float:
        """The time without the head before a ping."""
        return self.ping_every * self.longest_minutes - self.margin_seconds / 60


class Renewal(NamedTuple):
    """A client sends a new token (`auth`) if its token expires before the connection is renewed."""

    at_share: float = 0.8  # of the token's lifetime
    before_minutes: float = 3.0  # the time before the token expires, if that is later
    messages: int = 2
    writes: int = 1

    def minutes(self, token_minutes: float) -> float:
        """The age at which a token is renewed."""
        return max(token_minutes * self.at_share, token_minutes - self.before_minutes)


OPENING, KEEPALIVE, RENEWAL = Opening(), Keepalive(), Renewal()
# A client renews its connection before API Gateway's limit, in the last tenth of `lifetime_ms`.
CONNECTION_SPREAD = 0.1

# --- a notification ---


class Notification(NamedTuple):
    """One webhook with a result, until its event is posted."""

    publishes: int = 1
    queue_sends: int = 1  # by SNS
    queue_calls_of_a_batch: int = 2  # receive and delete, by Lambda
    rows: int = 1  # of the inbox: the event, which is also the head of its stream
    item_overhead: int = 125  # bytes of keys, names and expiry
    frame_overhead: int = 101  # bytes of the frame around an event


NOTIFICATION = Notification()

# --- a kept output ---


class KeptOutput(NamedTuple):
    """A result whose outputs are copied, and the links that are followed."""

    registers: int = 1  # writes by `callback`, before the result is recorded
    reads: int = 1  # by `keep`, and by `link` for each followed link
    queue_requests: int = 3  # one by SNS; receive and delete, in batches of one
    item_bytes: int = 100  # of the item, without its outputs
    source_bytes: int = 220  # of an output's address in the item
    copy_bytes: int = 170  # of an output's copy in the item
    multipart_extra: int = 3  # requests to S3 besides the parts: begin, list, complete

    def item(self, outputs: float) -> float:
        """Return the bytes of a finished item."""
        return self.item_bytes + outputs * (self.source_bytes + self.copy_bytes)

    def is_multipart(self, size: float) -> bool:
        """Return whether a file of some bytes is uploaded in parts."""
        return size >= PART_BYTES

    def updates(self, size: float) -> int:
        """Return the writes for one copy: its beginning, if it has parts, and its end."""
        return 2 if self.is_multipart(size) else 1

    def bucket_writes(self, size: float) -> int:
        """Return the requests to S3 that store one file."""
        if not self.is_multipart(size):
            return 1
        return math.ceil(size / PART_BYTES) + self.multipart_extra


KEPT = KeptOutput()
# `reconcile` waits between look-ups only at providers without webhooks, and at most so long in a
# run: its timeout without the last seconds, in which no look-up begins.
WAIT_SECONDS = 58 - 15
LOOKUP_METRICS = 3  # in the line of a look-up, each for the stage and for the provider

# --- logs ---

# Bytes that Lambda may add to a line without time: "timestamp" and "level".
LAMBDA_STAMP = 55
# Bytes of the lines that each call writes when nothing is wrong. Lambda writes no lines of its own:
# they have the level INFO, and the functions' system log level is WARN.
LOGGED = {
    "callback": 0,
    "relay": 0,
    "reconcile": 0,
    "deliver": 270,
    "authorize": 0,
    "connect": 180,
    "message-hello": 0,
    "message-ping": 0,
    "message-auth": 0,
    "disconnect": 0,
    "keep": 250,
    "link": 0,
    "reconcile-lookup": 420,
}
# Values of a usual request in an API's access log, besides its route, and the bytes of one line.
ACCESS_VALUES = {
    "$context.authorizer.error": "-",
    "$context.connectionId": "UhJ3fejAliACJtA=",
    "$context.identity.sourceIp": "203.0.113.107",
    "$context.integrationErrorMessage": "-",
    "$context.requestId": "UhJ3fGZcFiAFVIQ=",
    "$context.responseLatency": "35",
    "$context.status": "200",
}
HTTP_ACCESS_LINE, WEBSOCKET_ACCESS_LINE = 83, 141

# --- a deployment ---


class Deployment(NamedTuple):
    """What a stage has, whether it is used or not."""

    keys: int
    secrets: int
    alarm_metrics: int  # metrics that the alarms read; each is billed
    dashboards: int


QUEUES = 2  # that deliver reads: one for results, one for progress
FULL = Deployment(keys=3, secrets=4, alarm_metrics=30, dashboards=1)
LEAN = Deployment(keys=1, secrets=1, alarm_metrics=20, dashboards=0)


class Keeping(NamedTuple):
    """What a stage has besides if it keeps outputs."""

    queues: int = 1
    keys: int = 1
    secrets: int = 1
    alarm_metrics: int = 5
    lean_alarm_metrics: int = 3
    usual_metrics: int = 1
    # Every five minutes: the bucket's key for `keep` and `link` (its data key serves many objects),
    # the table's for `callback`, `keep` and `link`, and the queue's for SNS, twice, and `keep`.
    key_requests: int = 2 + 3 + 3


KEEPING = Keeping()

# CloudWatch bills a metric only for the hours in which it is sent. The usual metrics are sent in
# every hour in which users are active, the others only if something goes wrong: in RARE_SHARE of
# the hours, which is an assumption.
USUAL_METRICS, RARE_SHARE = 6, 0.05

# Every five minutes, KMS is asked once for each pair of a role and an encrypted store that is in
# constant use, once by DynamoDB, and for data keys of the topic: two requests of the producer and
# one of the consumer. The queue asks for its data keys less often.
KEY_REQUESTS = 12 + 1 + 3
DATA_KEY_REQUESTS, DATA_KEY_MINUTES = 3, 60

"""The registry of Herald's metrics. It defines the name, unit, meaning and emitters of each metric.

The table in docs/operations.md and the alarms in infra/ use these metrics. Tests compare them with
the registry.
"""

from typing import Literal, NamedTuple

Unit = Literal["Count", "Milliseconds", "Seconds"]


class Metric(NamedTuple):
    """A CloudWatch metric; `emitters` are the functions that emit it."""

    name: str
    unit: Unit
    meaning: str
    emitters: tuple[str, ...]


REGISTRY: dict[str, Metric] = {}


def _metric(name: str, emitters: str, meaning: str, unit: Unit = "Count") -> Metric:
    metric = REGISTRY[name] = Metric(name, unit, meaning, tuple(emitters.split()))
    return metric


CALLBACKS_RECORDED = _metric(
    "CallbacksRecorded",
    "callback",
    "webhooks that recorded a result; 0 for one that changed nothing",
)
CALLBACKS_REJECTED = _metric("CallbacksRejected", "callback", "webhooks answered with 4xx")
DETAILS_REPAIRED = _metric(
    "DetailsRepaired", "callback", "details of webhooks that were cut, replaced or dropped"
)
DATABASE_FAILURES = _metric(
    "DatabaseFailures", "callback relay", "invocations in which PostgreSQL failed all three tries"
)
PUBLISH_FAILURES = _metric(
    "PublishFailures",
    "callback relay",
    "publications that SNS refused in all three tries; a batch of the relay counts as one",
)
EVENTS_RELAYED = _metric("EventsRelayed", "relay", "outbox rows published, per minute")
OUTBOX_OLDEST_SECONDS = _metric(
    "OutboxOldestSeconds",
    "relay",
    "age of the oldest unpublished event in the outbox; 0 without one",
    "Seconds",
)
EVENTS_RECEIVED = _metric("EventsReceived", "deliver", "messages received, repeats included")
INVALID_MESSAGES = _metric("InvalidMessages", "deliver", "messages that are not events")
INBOX_FAILURES = _metric("InboxFailures", "deliver", "writes to the inbox that failed")
POSTS_DELIVERED = _metric("PostsDelivered", "deliver", "frames that API Gateway accepted")
POSTS_GONE = _metric("PostsGone", "deliver", "posts to connections that no longer exist")
POSTS_THROTTLED = _metric("PostsThrottled", "deliver", "posts refused with 429, after retries")
POSTS_RETRYABLE = _metric(
    "PostsRetryable", "deliver", "posts that failed otherwise (5xx, no answer), after retries"
)
POSTS_FORBIDDEN = _metric("PostsForbidden", "deliver", "posts refused with 403")
DELIVERY_LATENCY = _metric(
    "DeliveryLatencyMs",
    "deliver",
    "from the recorded result to the accepted post, as a distribution",
    "Milliseconds",
)
REPLAYED = _metric("Replayed", "message", "stream events replayed")
GAPS = _metric("Gaps", "message", "`gap` frames sent")
CONNECTIONS_REFUSED = _metric(
    "ConnectionsRefused", "authorize", "connections refused for their credential or origin"
)

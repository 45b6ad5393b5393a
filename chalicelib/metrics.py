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


CALLBACKS_REJECTED = _metric(
    "CallbacksRejected",
    "callback",
    "webhooks that Herald answered with 4xx",
)
WEBHOOKS_NOT_AUTHENTIC = _metric(
    "WebhooksNotAuthentic",
    "callback",
    "webhooks whose signature, account or URL token is wrong; the log shows the reason",
)
REPORTS_IGNORED = _metric(
    "ReportsIgnored",
    "callback",
    "authentic webhooks with a type or status that Herald does not process",
)
REPORTS_UNMATCHED = _metric(
    "ReportsUnmatched",
    "callback",
    "authentic webhooks for a generation that is not in the database",
)
REPORTS_MATCHED = _metric(
    "ReportsMatched",
    "relay",
    "results that arrived before their generation was inserted and that the relay has"
    " recorded since",
)
DETAILS_REPAIRED = _metric(
    "DetailsRepaired",
    "callback",
    "invalid fields of webhooks that Herald shortened, replaced or dropped",
)
DATABASE_FAILURES = _metric(
    "DatabaseFailures",
    "callback reconcile relay",
    "invocations in which PostgreSQL failed in all three attempts",
)
PUBLISH_FAILURES = _metric(
    "PublishFailures",
    "callback reconcile relay",
    "publish requests that SNS refused in all three attempts;"
    " a batch of events from the relay counts as one request",
)
EVENTS_RELAYED = _metric(
    "EventsRelayed",
    "relay",
    "events that the relay published from the outbox, for each run (one per minute)",
)
OUTBOX_OLDEST_SECONDS = _metric(
    "OutboxOldestSeconds",
    "relay",
    "age of the oldest unpublished event in the outbox; not sent if there is none",
    "Seconds",
)
LOOKUPS = _metric(
    "Lookups",
    "reconcile",
    "look-ups at each provider; one request about a batch counts as one look-up",
)
LOOKUP_FAILURES = _metric(
    "LookupFailures",
    "reconcile",
    "look-ups that got no usable answer, for each provider",
)
RESULTS_RECONCILED = _metric(
    "ResultsReconciled",
    "reconcile",
    "results that Herald recorded after a look-up, for each provider",
)
GENERATIONS_OVERDUE = _metric(
    "GenerationsOverdue",
    "reconcile",
    "generations that have been PENDING for more than a quarter of the time until their"
    " deadline, for each provider",
)
GENERATIONS_TIMED_OUT = _metric(
    "GenerationsTimedOut",
    "reconcile",
    "generations that failed because their deadline passed",
)
GENERATIONS_CANCELED = _metric(
    "GenerationsCanceled",
    "reconcile",
    "generations that Herald canceled",
)
FILES_NOT_STORED = _metric(
    "FilesNotStored",
    "reconcile",
    "results whose file Herald could not store in the bucket; the next look-up tries again",
)
INVALID_MESSAGES = _metric("InvalidMessages", "deliver", "queue messages that are not valid events")
INBOX_FAILURES = _metric(
    "InboxFailures",
    "deliver relay",
    "failed writes to the inbox: events that `deliver` stores, and the last offsets of"
    " streams that `relay` stores",
)
POSTS_GONE = _metric(
    "PostsGone",
    "deliver",
    "posts to connections that were already closed",
)
POSTS_THROTTLED = _metric(
    "PostsThrottled",
    "deliver",
    "posts that API Gateway still refused with 429 after all retries; `PostsRetryable` also"
    " counts these posts",
)
POSTS_RETRYABLE = _metric(
    "PostsRetryable",
    "deliver",
    "posts that still failed after all retries, with 429, with 5xx or without a response",
)
POSTS_FORBIDDEN = _metric("PostsForbidden", "deliver", "posts that API Gateway refused with 403")
DELIVERY_LATENCY = _metric(
    "DeliveryLatencyMs",
    "deliver",
    "distribution of the time from recording the result until API Gateway accepted the post",
    "Milliseconds",
)
REPLAYED = _metric(
    "Replayed",
    "message",
    "events that Herald replayed to clients",
)
GAPS = _metric(
    "Gaps",
    "message",
    "`gap` frames that Herald sent to clients",
)
REPLAYS_LIMITED = _metric(
    "ReplaysLimited",
    "message",
    "replays that Herald refused because the user had used up the [replay limit](#quotas)",
)
CONNECTIONS_EVICTED = _metric(
    "ConnectionsEvicted",
    "connect",
    "connections that Herald closed because their user had opened too many",
)
CREDENTIALS_REFUSED = _metric(
    "CredentialsRefused",
    "authorize",
    "connections that Herald refused because of the token or API key; each also counts as an"
    " error of the function `authorize`",
)
CONNECTIONS_REFUSED = _metric(
    "ConnectionsRefused",
    "authorize connect",
    "connections that Herald refused because of the token, the API key or the origin",
)
OUTPUTS_PASSED_ON = _metric(
    "OutputsPassedOn",
    "callback reconcile relay",
    "outputs that were not kept, because their host is not on the provider's list or Herald"
    " could not store the URL; their event contains the provider's URL",
)
OUTPUTS_KEPT = _metric(
    "OutputsKept",
    "keep",
    "outputs that Herald copied into the bucket",
)
COPIES_FAILED = _metric(
    "CopiesFailed",
    "keep",
    "failed attempts to copy an output; the log shows the reason",
)
OUTPUTS_NOT_KEPT = _metric(
    "OutputsNotKept",
    "keep",
    "outputs that Herald could not copy in any attempt; their event becomes a dead letter",
)
LINKS_GONE = _metric(
    "LinksGone",
    "link",
    "requests for links that got a 410, because there is no copy and the provider's URL has"
    " expired",
)

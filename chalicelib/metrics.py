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


CALLBACKS_REJECTED = _metric("CallbacksRejected", "callback", "webhooks answered with 4xx")
WEBHOOKS_NOT_AUTHENTIC = _metric(
    "WebhooksNotAuthentic",
    "callback",
    "webhooks whose signature, account or capability is wrong; the log names the reason",
)
REPORTS_IGNORED = _metric(
    "ReportsIgnored",
    "callback",
    "authentic webhooks with a type or status that Herald does not process",
)
REPORTS_UNMATCHED = _metric(
    "ReportsUnmatched",
    "callback",
    "authentic reports of a generation that is not in the database",
)
REPORTS_MATCHED = _metric(
    "ReportsMatched",
    "relay",
    "results that arrived before their generation was inserted,"
    " and that the relay recorded in one run",
)
DETAILS_REPAIRED = _metric(
    "DetailsRepaired",
    "callback",
    "invalid fields of webhooks that were shortened, replaced or dropped",
)
DATABASE_FAILURES = _metric(
    "DatabaseFailures",
    "callback reconcile relay",
    "invocations in which PostgreSQL failed in all three attempts",
)
PUBLISH_FAILURES = _metric(
    "PublishFailures",
    "callback reconcile relay",
    "publish requests that SNS refused in all three attempts; a batch of the relay counts as one",
)
EVENTS_RELAYED = _metric(
    "EventsRelayed", "relay", "outbox rows that the relay published in one run, so per minute"
)
OUTBOX_OLDEST_SECONDS = _metric(
    "OutboxOldestSeconds",
    "relay",
    "age of the oldest unpublished event in the outbox; not sent if there is none",
    "Seconds",
)
LOOKUPS = _metric(
    "Lookups", "reconcile", "look-ups at a provider, by provider; a batch counts as one"
)
LOOKUP_FAILURES = _metric(
    "LookupFailures",
    "reconcile",
    "look-ups to which the provider sent no usable answer, by provider",
)
RESULTS_RECONCILED = _metric(
    "ResultsReconciled", "reconcile", "results that a look-up recorded, by provider"
)
GENERATIONS_OVERDUE = _metric(
    "GenerationsOverdue",
    "reconcile",
    "generations that have been PENDING for over a quarter of the time until their deadline,"
    " by provider",
)
GENERATIONS_TIMED_OUT = _metric(
    "GenerationsTimedOut", "reconcile", "generations that ended because of their deadline"
)
GENERATIONS_CANCELED = _metric(
    "GenerationsCanceled", "reconcile", "generations that Herald canceled"
)
FILES_NOT_STORED = _metric(
    "FilesNotStored",
    "reconcile",
    "results whose file could not be stored in the bucket; the next look-up tries again",
)
INVALID_MESSAGES = _metric("InvalidMessages", "deliver", "queue messages that are not valid events")
INBOX_FAILURES = _metric(
    "InboxFailures",
    "deliver relay",
    "writes to the inbox that failed: events of `deliver`, heads of `relay`",
)
POSTS_GONE = _metric("PostsGone", "deliver", "posts to connections that no longer exist")
POSTS_THROTTLED = _metric(
    "PostsThrottled",
    "deliver",
    "posts that API Gateway refused with 429, even after retries; also in `PostsRetryable`",
)
POSTS_RETRYABLE = _metric(
    "PostsRetryable",
    "deliver",
    "posts that failed with 429, 5xx or without a response, even after retries",
)
POSTS_FORBIDDEN = _metric("PostsForbidden", "deliver", "posts that API Gateway refused with 403")
DELIVERY_LATENCY = _metric(
    "DeliveryLatencyMs",
    "deliver",
    "time from recording the result until API Gateway accepted the post, as a distribution",
    "Milliseconds",
)
REPLAYED = _metric("Replayed", "message", "stream events replayed")
GAPS = _metric("Gaps", "message", "`gap` frames sent")
REPLAYS_LIMITED = _metric(
    "ReplaysLimited", "message", "replays refused because the user's budget was used up"
)
CONNECTIONS_EVICTED = _metric(
    "ConnectionsEvicted", "connect", "connections closed because their user opened too many"
)
CREDENTIALS_REFUSED = _metric(
    "CredentialsRefused",
    "authorize",
    "connections refused because of the credential; each also counts as an error of the function",
)
CONNECTIONS_REFUSED = _metric(
    "ConnectionsRefused",
    "authorize connect",
    "connections refused because of the credential or origin",
)
OUTPUTS_PASSED_ON = _metric(
    "OutputsPassedOn",
    "callback reconcile relay",
    "outputs whose event contains the provider's own address, because its host is not on the"
    " provider's list or the address could not be stored",
)
OUTPUTS_KEPT = _metric("OutputsKept", "keep", "outputs that were copied into the bucket")
COPIES_FAILED = _metric(
    "CopiesFailed", "keep", "outputs that could not be copied in one attempt; the log says why"
)
OUTPUTS_NOT_KEPT = _metric(
    "OutputsNotKept",
    "keep",
    "outputs that could not be copied in all attempts; their event becomes a dead letter",
)
LINKS_GONE = _metric(
    "LinksGone",
    "link",
    "requests for links that got a 410: there is no copy, and the provider's link has expired",
)

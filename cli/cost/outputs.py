"""The costs of kept outputs and of look-ups at providers."""

import math
from collections.abc import Iterator

from cli.cost.inputs import Inputs
from cli.cost.lines import (
    GB,
    INDEX_OVERHEAD,
    Group,
    Line,
    call_lines,
    function_time,
    log_lines,
    to_line,
)
from cli.cost.quantities import (
    HTTP_ACCESS_LINE,
    KEPT,
    LOGGED,
    LOOKUP_METRICS,
    RARE_SHARE,
    WAIT_SECONDS,
)
from cli.cost.volumes import DAYS, MINUTES, volumes

MEGABYTE = 1e6
REGISTER_SECONDS = 0.004  # by which `callback` takes longer: a round trip to DynamoDB


def copy_seconds(given: Inputs) -> float:
    """Return how long `keep` takes for the outputs of one result."""
    each = given.durations["keep"] / 1000 + given.output_megabytes / given.copy_speed
    return given.outputs * each


def of_outputs(given: Inputs) -> Iterator[Line]:
    """Yield the costs of copies and of followed links; none if outputs are not kept."""
    if given.keep_outputs:
        yield from _of_copies(given)
        yield from _of_links(given)
        counts = volumes(given)
        logged = counts.kept * LOGGED["keep"]
        logged += counts.links * (HTTP_ACCESS_LINE + LOGGED["link"])
        yield from log_lines("outputs", given, logged)


def _of_copies(given: Inputs) -> Iterator[Line]:
    group: Group = "outputs"
    counts, size = volumes(given), given.output_megabytes * MEGABYTE
    item = KEPT.item(given.outputs)
    updates = counts.copies * KEPT.updates(size)
    writes = (counts.kept * KEPT.registers + updates) * math.ceil(item / 1024)
    months = given.output_retention_days / DAYS
    registering = counts.kept * REGISTER_SECONDS
    yield function_time(group, given, "callback", "callback: time to register", registering)
    requests = counts.kept * KEPT.queue_requests
    yield to_line(group, "SQS", "results for keep", requests, "sqs-request")
    yield to_line(group, "Lambda", "keep: calls", counts.kept, "lambda-request")
    seconds = counts.kept * (copy_seconds(given) + given.cold_share * given.cold_ms / 1000)
    yield function_time(group, given, "keep", "keep: time", seconds)
    reads = counts.kept * KEPT.reads * math.ceil(item / 4096)
    yield to_line(group, "DynamoDB", "sources read", reads, "dynamodb-read")
    yield to_line(group, "DynamoDB", "sources and copies written", writes, "dynamodb-write")
    stored = counts.kept * months * (item + INDEX_OVERHEAD) / GB
    yield to_line(group, "DynamoDB", "table of outputs", stored, "dynamodb-storage")
    puts = counts.copies * KEPT.bucket_writes(size)
    yield to_line(group, "S3", "copies written", puts, "s3-write")
    yield to_line(group, "S3", "copies kept", counts.copies * months * size / GB, "s3-storage")


def _of_links(given: Inputs) -> Iterator[Line]:
    group: Group = "outputs"
    links = volumes(given).links
    sent = links * given.output_megabytes * MEGABYTE / GB
    yield to_line(group, "HTTP API", "links", links, "http-request")
    yield from call_lines(group, given, "link", links)
    reads = links * KEPT.reads * math.ceil(KEPT.item(given.outputs) / 4096)
    yield to_line(group, "DynamoDB", "links read", reads, "dynamodb-read")
    yield to_line(group, "S3", "copies read", links, "s3-read")
    if given.cloudfront:  # the link and the copy are a request each
        yield to_line(group, "CloudFront", "links and copies", 2 * links, "cloudfront-request")
        yield to_line(group, "CloudFront", "redirects changed", links, "cloudfront-function")
        yield to_line(group, "CloudFront", "copies to clients", sent, "cloudfront-out")
    else:
        yield to_line(group, "Transfer", "copies to clients", sent, "transfer-out")


def of_lookups(given: Inputs) -> Iterator[Line]:
    """Yield the costs of look-ups, which happen in runs that are counted anyway."""
    group: Group = "lookups"
    lookups = volumes(given).lookups
    if not lookups:
        return
    name = "reconcile-lookup"
    seconds = lookups * given.durations[name] / 1000
    yield function_time(group, given, name, "reconcile: time of look-ups", seconds)
    if given.poll_only:
        waiting = max(0.0, MINUTES * _waiting_share(given) * WAIT_SECONDS - seconds)
        yield function_time(group, given, name, "reconcile: waiting", waiting)
    yield from log_lines(group, given, lookups * LOGGED[name])
    # those for the stage are counted with the deployment, as rare ones
    metrics = LOOKUP_METRICS * (given.lookup_providers + 1 - RARE_SHARE)
    yield to_line(group, "CloudWatch", "metrics of look-ups", metrics, "metric")


def _waiting_share(given: Inputs) -> float:
    """Return the share of minutes in which a result is awaited, if results come at random times
    and each is awaited for a minute.
    """
    awaited = volumes(given).lookups / given.polls / MINUTES
    return -math.expm1(-awaited)

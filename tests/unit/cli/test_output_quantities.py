"""The bill counts the requests, items and lines that kept outputs and look-ups cause."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib import telemetry
from chalicelib.aws.s3 import PART_BYTES
from chalicelib.outputs.copying import Copier
from chalicelib.outputs.keep import Keep
from chalicelib.outputs.link import Link
from chalicelib.providers.hosts import Hosts
from chalicelib.recording import reconcile
from chalicelib.recording.lookups import Group, Lookups
from chalicelib.store.outputs import Outputs, Source
from cli.cost.quantities import (
    KEEPING,
    KEPT,
    LAMBDA_STAMP,
    LOGGED,
    LOOKUP_METRICS,
    WAIT_SECONDS,
)
from tests.builders import event, sqs
from tests.unit.outputs.test_copying import Endless, Forgetful

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.aws.lambda_events import HttpEvent

ROOT = Path(__file__).parents[3]
GENERATION = "00000000-0000-4000-8000-000000000001"  # of the event with offset 1


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    yield
    telemetry.configure("", "INFO")


class DynamoDb:
    """A fake that keeps one item and counts the requests."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.item: dict[str, Any] = {}

    def call(self, operation: str, payload: Any, deadline: float | None = None) -> Any:
        self.calls[operation] += 1
        if operation == "PutItem":
            self.item = dict(payload["Item"])
        if operation == "UpdateItem":
            name = payload["UpdateExpression"].split(" = :value")[0].rpartition(" ")[2]
            self.item["claimed"] = {"N": "1"}
            self.item[name] = payload["ExpressionAttributeValues"][":value"]
            self.item.pop(payload["UpdateExpression"].partition("REMOVE ")[2], None)
        return {"Item": self.item}


class Bucket(Forgetful):
    """The fake bucket, with a count of the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("put", "begin", "put_part", "parts", "complete"):
            self.requests += 1
        return super().__getattribute__(name)

    def put(self, *arguments: object, deadline: float) -> None:
        pass

    def presigned(self, key: str, seconds: int) -> str:
        return f"https://bucket.example/{key}"


class Video(Endless):
    offset = 0

    def close(self) -> None:
        pass


class Fetcher:
    def __init__(self, size: int) -> None:
        self._size = size

    def open(self, *arguments: object, **options: object) -> Video:
        return Video(self._size)


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Known:
    """Links that are all valid, and hosts that are all allowed."""

    def is_valid(self, *arguments: object) -> bool:
        return True

    def of(self, provider: str) -> Hosts:
        return Hosts(("cdn.example.com",), ())


def kept(size: int) -> tuple[DynamoDb, Bucket, Outputs]:
    """Register a result with one output of a size, and let `keep` copy it."""
    table, bucket = DynamoDb(), Bucket()
    outputs = Outputs(cast("Any", table), "outputs", 30)
    # as long as those of providers that put a signature into the query
    url = "https://cdn.example.com/" + "x" * 120
    outputs.register(
        GENERATION, "replicate", [Source(url, "video", 1_800_000_000)], time.monotonic() + 5
    )
    assert table.calls == {"PutItem": KEPT.registers}
    table.calls.clear()
    copier = Copier(cast("Any", bucket), outputs, cast("Any", Fetcher(size)), 10**10)
    keep = Keep(outputs, copier, cast("Any", Known()), cast("Any", None), "queue", "test", 5)
    text = event("alice", 1)
    assert keep.handle(sqs(text), cast("Any", Context())) == {"batchItemFailures": []}
    return table, bucket, outputs


@pytest.mark.parametrize("size", [1000, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 100_000_000])
def test_the_requests_of_a_copy_are_billed(size: int) -> None:
    table, bucket, _ = kept(size)
    assert table.calls == {"GetItem": KEPT.reads, "UpdateItem": KEPT.updates(size)}
    assert bucket.requests == KEPT.bucket_writes(size)


def test_an_item_of_the_table_has_the_billed_size() -> None:
    table, _, _ = kept(1_000_000)
    assert 0.8 * KEPT.item(1) <= size_of(table.item) <= KEPT.item(1)


def size_of(item: dict[str, Any]) -> int:
    """Return the bytes of an item by DynamoDB's rules: names and values, and 3 for a map."""
    total = 0
    for name, value in item.items():
        total += len(name)
        if "M" in value:
            total += 3 + len(value["M"]) + size_of(value["M"])
        else:
            total += len(value["S"]) if "S" in value else len(value["N"]) // 2 + 1
    return total


def test_the_requests_of_a_followed_link_are_billed(capsys: pytest.CaptureFixture[str]) -> None:
    table, bucket, outputs = kept(1_000_000)
    table.calls.clear()
    bucket.requests = 0
    logged(capsys)
    link = Link(cast("Any", Known()), outputs, cast("Any", Known()), cast("Any", bucket))
    path = {"generation": GENERATION, "index": "0", "signature": "s"}
    answer = link.handle(cast("HttpEvent", {"pathParameters": path, "headers": {}}))
    assert answer["statusCode"] == 302
    assert table.calls == {"GetItem": KEPT.reads}
    assert bucket.requests == 0, "presigned without a request"
    assert sum(map(len, logged(capsys))) == LOGGED["link"]


def logged(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_line_of_a_copy_is_billed(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("production", "WARNING")
    kept(1000)
    (line,) = logged(capsys)
    assert 0.9 * LOGGED["keep"] <= len(line) + 1 + LAMBDA_STAMP <= LOGGED["keep"]
    assert len(metrics_of(line)) == KEEPING.usual_metrics


def metrics_of(line: str) -> list[Any]:
    (found,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    return cast("list[Any]", found["Metrics"])


class Silent:
    """A provider that says nothing new."""

    polling: Any

    def __init__(self) -> None:
        self.polling = self

    def poll(self, *arguments: object) -> list[Any]:
        return []

    def api(self, *arguments: object, **options: object) -> None:
        return None


def test_the_line_of_a_look_up_is_billed(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("production", "WARNING")
    provider = cast("Any", Silent())
    lookups = Lookups(cast("Any", None), cast("Any", None), provider, None)
    group = Group("replicate", "id", None, {})
    lookups.look_up(provider, group, deadline=time.monotonic() + 60)
    (line,) = logged(capsys)
    billed = LOGGED["reconcile-lookup"]
    assert 0.9 * billed <= len(line) + 1 + LAMBDA_STAMP <= billed
    (found,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert found["Dimensions"] == [["Stage"], ["Stage", "Provider"]]
    assert len(found["Metrics"]) == LOOKUP_METRICS


def test_a_run_waits_at_most_the_billed_time() -> None:
    text = (ROOT / "infra" / "variables.tf").read_text()
    (timeout,) = re.findall(r"reconcile += optional.*timeout = optional\(number, (\d+)\)", text)
    assert int(timeout) - reconcile.MARGIN_SECONDS == WAIT_SECONDS

"""Kept outputs on moto: the bucket, the table, the queue, the secret, and a stand-in CDN."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import boto3
import pytest

from chalicelib.aws.service import DYNAMODB, Service
from chalicelib.protocol import event_writer
from chalicelib.runtime import Runtime
from chalicelib.store.links import Links, sign
from chalicelib.store.outputs import Outputs, Source
from tests import contracts
from tests.integration.outputs import cdn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.outputs.cdn import Cdn

KEY = "k" * 32
BASE = "https://api.example/outputs"
EPOCH = "01934c2e-7c1a-7000-8000-000000000001"
USER = "alice"


class Context:
    """Lambda's context, with some seconds left."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


class World:
    """The functions and what is stored."""

    def __init__(self, runtime: Runtime, source: Cdn, environ: Mapping[str, str]) -> None:
        self.runtime = runtime
        self.source = source
        self.environ = environ
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self.dynamodb = boto3.client("dynamodb")
        service = Service(runtime._engine, DYNAMODB, environ)
        self.outputs = Outputs(service, "outputs", 30)
        self.links = Links(BASE, lambda: json.dumps({"keys": [KEY]}))

    def close(self) -> None:
        for client in (self.s3, self.sqs, self.dynamodb):
            client.close()

    def registered(self, *urls: str, kind: str = "image", expires_at: int = 0) -> str:
        """Register a generation's outputs as `callback` does; return its id."""
        generation = str(uuid.uuid4())
        sources = [Source(url, kind, expires_at) for url in urls]
        self.outputs.register(generation, "generations", sources, time.monotonic() + 5)
        return generation

    def message(self, generation: str, receives: int = 1) -> dict[str, Any]:
        """Return the queue's message about a finished generation."""
        now = datetime.now(UTC).isoformat()
        event = {
            "specversion": "1.0",
            "id": event_writer.event_id(generation, 2),
            "source": "herald/test",
            "type": "herald.generation.complete",
            "subject": generation,
            "time": now,
            "datacontenttype": "application/json",
            "userid": USER,
            "epoch": EPOCH,
            "sequence": "1",
            "data": {"status": "COMPLETE", "imageUrl": None},
        }
        return {
            "messageId": str(uuid.uuid4()),
            "receiptHandle": "none",
            "body": json.dumps(event),
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

    def keep(self, generation: str, receives: int = 1, seconds: float = 60.0) -> bool:
        """Let `keep` handle the message; return whether all outputs were copied."""
        event: Any = {"Records": [self.message(generation, receives)]}
        return not self.runtime.keep.handle(event, Context(seconds))["batchItemFailures"]

    def follow(
        self, generation: str, index: int | str = 0, signature: str | None = None, **headers: str
    ) -> Any:
        """Let `link` answer; by default, with the right signature."""
        if signature is None:
            signature = sign(KEY, generation, int(index))
        path = {"generation": generation, "index": str(index), "signature": signature}
        event: Any = {"requestContext": {}, "pathParameters": path, "headers": headers}
        answer = self.runtime.link.handle(event)
        body = answer.get("body")
        error = contracts.link_error(answer["statusCode"], json.loads(body) if body else None)
        assert error is None, error
        return answer

    def loaded(self, generation: str, index: int = 0) -> tuple[bytes, str]:
        """Follow a link to its end; return the content and its type."""
        answer = self.follow(generation, index)
        assert answer["statusCode"] == 302, answer
        with urlopen(answer["headers"]["location"]) as response:
            return response.read(), response.headers["content-type"]

    def objects(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="outputs").get("Contents", [])
        return [each["Key"] for each in found]

    def uploads(self) -> int:
        return len(self.s3.list_multipart_uploads(Bucket="outputs").get("Uploads", []))


@pytest.fixture
def source() -> Iterator[Cdn]:
    with cdn.running() as found:
        yield found


@pytest.fixture
def world(
    dynamodb: Any, environment: dict[str, str], source: Cdn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    location = {"LocationConstraint": environment["AWS_REGION"]}
    s3.create_bucket(Bucket="outputs", CreateBucketConfiguration=location)  # type: ignore[arg-type]
    queue = sqs.create_queue(QueueName="keep")["QueueUrl"]
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="outputs", SecretString=json.dumps({"keys": [KEY]}))
    for client in (s3, sqs, secrets):
        client.close()
    dynamodb.create_table(
        TableName="outputs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "generation_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "generation_id", "KeyType": "HASH"}],
    )
    more = {
        "HERALD_OUTPUTS_TABLE": "outputs",
        "HERALD_OUTPUTS_SECRET_ARN": "outputs",
        "HERALD_OUTPUTS_BUCKET": "outputs",
        "HERALD_OUTPUTS_URL": BASE,
        "HERALD_OUTPUT_RETENTION_DAYS": "30",
        "HERALD_OUTPUT_MAX_MEGABYTES": "100",
        "HERALD_KEEP_QUEUE_URL": queue,
        "HERALD_FETCH_HOSTS": f"127.0.0.1:{source.port}",
    }
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    runtime = Runtime(environment | more)
    found = World(runtime, source, environment | more)
    yield found
    found.close()
    runtime.close()

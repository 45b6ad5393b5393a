"""Measures each step of the whole path on a running stack, and compares it with a minimal path.

    python -m benchmarks.path STACK_ENV [--singles N] [--burst N] [--rounds N]

Herald's path starts at the provider's webhook. Both paths are timed from SNS, because from there
they have the same steps: topic → queue → function → client. The function of the minimal path only
posts with boto3 and stores nothing. The two paths are measured alternately. The benchmark prints
tables and adds its results to build/bench/path.json.
"""

import argparse
import asyncio
import io
import json
import statistics
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg2
from standardwebhooks import Webhook
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import add_path_results, events
from chalicelib.protocol.events import PROGRESS
from local import tokens
from tooling import stack_env

CLIENTS = 20
PATIENCE = 60.0
ATTRIBUTES = {  # as `callback` sets them
    name: {"DataType": "String", "StringValue": value}
    for name, value in (("type", "herald.generation.complete"), ("status", "COMPLETE"))
}


class Clients:
    """Connected users, with the arrival time of each event."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.stage = env["HERALD_STAGE"]  # deliver accepts only events of its own stage
        self.users = [f"bench-{uuid.uuid4().hex[:10]}" for _ in range(CLIENTS)]
        self.connections: list[str] = []
        self.received: dict[str, float] = {}
        self.progress = 0  # events of progress that have arrived
        self._arrived = asyncio.Event()

    async def open(self, stack: AsyncExitStack) -> None:
        for user in self.users:
            token = tokens.issue(self._env, user)
            client = await stack.enter_async_context(
                connect(
                    self._env["HERALD_WEBSOCKET_URL"],
                    additional_headers={"Authorization": f"Bearer {token}"},
                    proxy=None,
                )
            )
            await client.send('{"action":"hello","id":1}')
            self.connections.append(json.loads(await client.recv())["connection"])
            task = asyncio.create_task(self._listen(client))
            stack.callback(task.cancel)

    async def all_of(self, ids: set[str]) -> list[float]:
        """Wait for these events and return the time.time() at which each arrived."""
        deadline = time.monotonic() + PATIENCE
        while not ids <= self.received.keys():
            self._arrived.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                raise SystemExit(f"{len(ids - self.received.keys())} events did not arrive")
            await asyncio.wait_for(self._arrived.wait(), left)
        return [self.received[event_id] for event_id in ids]

    async def more_progress(self, than: int) -> None:
        """Wait until more than a number of progress events have arrived."""
        async with asyncio.timeout(PATIENCE):
            while self.progress <= than:
                self._arrived.clear()
                await self._arrived.wait()

    async def _listen(self, client: ClientConnection) -> None:
        async for text in client:
            now = time.time()
            frame = json.loads(text)
            for item in frame.get("items", [frame]):
                event_id = item["event"]["id"] if "event" in item else item.get("id")
                self.progress += item.get("event", {}).get("type") == PROGRESS
                if event_id:
                    self.received.setdefault(event_id, now)
            self._arrived.set()


class Aws:
    """The services of the stack, and the minimal path."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._name = f"bench-minimal-{uuid.uuid4().hex[:8]}"
        self.sns = self._client("sns")
        self.logs = self._client("logs")
        self._queue = ""
        self._mapping = ""
        self.topic = ""

    def make_minimal(self) -> None:
        """Create the topic, the queue and the function, with the permissions that they need."""
        sqs, iam, functions = (self._client(name) for name in ("sqs", "iam", "lambda"))
        self._queue = sqs.create_queue(
            QueueName=self._name, Attributes={"VisibilityTimeout": "120"}
        )["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        queue_arn = attributes["Attributes"]["QueueArn"]
        self.topic = self.sns.create_topic(Name=self._name)["TopicArn"]
        allow = {"Effect": "Allow", "Resource": "*"}
        policy = {**allow, "Principal": {"Service": "sns.amazonaws.com"}}
        sqs.set_queue_attributes(
            QueueUrl=self._queue,
            Attributes={"Policy": _policy({**policy, "Action": "sqs:SendMessage"})},
        )
        self.sns.subscribe(
            TopicArn=self.topic,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        principal = {"Principal": {"Service": "lambda.amazonaws.com"}, "Effect": "Allow"}
        role = iam.create_role(
            RoleName=self._name,
            AssumeRolePolicyDocument=_policy({**principal, "Action": "sts:AssumeRole"}),
        )["Role"]["Arn"]
        iam.put_role_policy(
            RoleName=self._name,
            PolicyName="all",
            PolicyDocument=_policy({**allow, "Action": ["sqs:*", "execute-api:*", "logs:*"]}),
        )
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.write(Path(__file__).with_name("minimal_function.py"), "minimal_function.py")
        functions.create_function(
            FunctionName=self._name,
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Role=role,
            Handler="minimal_function.handle",
            Code={"ZipFile": archive.getvalue()},
            Timeout=20,
            MemorySize=1769,
            Environment={
                "Variables": {"HERALD_MANAGEMENT_ENDPOINT": self._env["HERALD_MANAGEMENT_ENDPOINT"]}
            },
        )
        self._mapping = functions.create_event_source_mapping(
            EventSourceArn=queue_arn,
            FunctionName=self._name,
            BatchSize=10,
            ScalingConfig=self._scaling_of_deliver(functions),
        )["UUID"]

    def _scaling_of_deliver(self, functions: Any) -> Any:
        name = f"herald-{self._env['HERALD_STAGE']}-deliver"
        mappings = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        [scaling] = [
            mapping["ScalingConfig"]
            for mapping in mappings
            if not mapping["MaximumBatchingWindowInSeconds"]  # only progress waits for a batch
        ]
        return scaling

    def remove_minimal(self) -> None:
        functions = self._client("lambda")
        if self._mapping:
            functions.delete_event_source_mapping(UUID=self._mapping)
            functions.delete_function(FunctionName=self._name)
        iam = self._client("iam")
        if self.topic:
            iam.delete_role_policy(RoleName=self._name, PolicyName="all")
            iam.delete_role(RoleName=self._name)
            self.sns.delete_topic(TopicArn=self.topic)
            self._client("sqs").delete_queue(QueueUrl=self._queue)

    def batches(self, since: float) -> list[tuple[float, float]]:
        """Return what `deliver` has logged about each batch since the given time."""
        found = self.logs.filter_log_events(
            logGroupName=f"/aws/lambda/herald-{self._env['HERALD_STAGE']}-deliver",
            startTime=int(since * 1000),
        )["events"]
        return logged_batches(line for event in found for line in event["message"].splitlines())

    def _client(self, service: str) -> Any:
        return boto3.Session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._env["AWS_ENDPOINT_URL"],
            region_name=self._env["AWS_REGION"],
            aws_access_key_id=self._env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._env["AWS_SECRET_ACCESS_KEY"],
        )


def logged_batches(lines: Iterable[str]) -> list[tuple[float, float]]:
    """Return for each batch the time.time() of the last post, and the milliseconds of the call.

    A call logs its metrics, whose time stamp is that of the last post, and then at DEBUG how long
    it took. Of a batch that is logged only in part so far, nothing is returned.
    """
    posted, batches = None, []
    for line in lines:
        entry = json.loads(line) if line.startswith("{") else {}
        if "DeliveryLatencyMs" in entry:
            posted = entry["_aws"]["Timestamp"] / 1000
        elif entry.get("message") == "batch handled" and posted is not None:
            batches.append((posted, float(entry["milliseconds"])))
            posted = None
    return batches


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Route:
    """One of the two paths, from SNS to the client."""

    def __init__(self, name: str, topic: str, message: Callable[[Clients, int], str]) -> None:
        self.name = name
        self.topic = topic
        self._message = message

    def batch(self, clients: Clients, numbers: range) -> list[tuple[str, str]]:
        """Return messages, each with its id."""
        messages = [self._message(clients, number) for number in numbers]
        return [(json.loads(text)["id"], text) for text in messages]


def herald_message(clients: Clients, number: int) -> str:
    return events.result(
        str(uuid.uuid4()),
        clients.users[number % CLIENTS],
        event_id=str(uuid.uuid4()),
        stage=clients.stage,
        offset=number + 1,
    )


def minimal_message(clients: Clients, number: int) -> str:
    event = json.loads(herald_message(clients, number))
    return json.dumps({**event, "connection": clients.connections[number % CLIENTS]})


async def singles(aws: Aws, path: Route, clients: Clients, numbers: range) -> list[float]:
    """Return the seconds from publish to arrival, for one event at a time."""
    taken = []
    for event_id, text in path.batch(clients, numbers):
        began = time.time()
        await asyncio.to_thread(
            aws.sns.publish, TopicArn=path.topic, Message=text, MessageAttributes=ATTRIBUTES
        )
        taken.append((await clients.all_of({event_id}))[0] - began)
    return taken


async def burst(aws: Aws, path: Route, clients: Clients, numbers: range) -> float:
    """Return the seconds from the first publish to the last arrival."""
    batch = path.batch(clients, numbers)
    began = time.time()

    def publish() -> None:
        for start in range(0, len(batch), 10):
            entries = [
                {"Id": str(index), "Message": text, "MessageAttributes": ATTRIBUTES}
                for index, (_, text) in enumerate(batch[start : start + 10])
            ]
            aws.sns.publish_batch(TopicArn=path.topic, PublishBatchRequestEntries=entries)

    await asyncio.to_thread(publish)
    return max(await clients.all_of({event_id for event_id, _ in batch})) - began


async def legs(
    env: Mapping[str, str], aws: Aws, clients: Clients, count: int
) -> dict[str, list[float]]:
    """Return the milliseconds from the webhook to the end of each step, for one webhook at a
    time.
    """
    found: dict[str, list[float]] = {
        name: []
        for name in (
            "callback answered",
            "published to SNS",
            "received by deliver",
            "posted",
            "received by the client",
        )
    }
    connection = psycopg2.connect(env["HERALD_DATABASE_URL"])
    connection.autocommit = True
    webhook = Webhook(env["HERALD_WEBHOOK_SECRET"])
    with connection.cursor() as cursor, httpx.Client(timeout=30) as http:
        for number in range(count):
            generation_id = str(uuid.uuid4())
            cursor.execute(
                "INSERT INTO herald.generations (id, user_id, prompt)"
                " VALUES (%s, %s, 'a lighthouse')",
                (generation_id, clients.users[number % CLIENTS]),
            )
            body = json.dumps({"generationId": generation_id, "status": "ERROR"})
            now = datetime.now(UTC)
            headers = {
                "webhook-id": generation_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": webhook.sign(generation_id, now, body),
            }
            began = time.time()
            answer = await asyncio.to_thread(
                http.post, env["HERALD_CALLBACK_URL"], content=body, headers=headers
            )
            answered = time.time()
            event_id = answer.json()["eventId"]
            [received] = await clients.all_of({event_id})
            [(posted, milliseconds)] = await _batch_of(aws, began)
            cursor.execute(
                "SELECT extract(epoch FROM published_at) FROM herald.outbox WHERE id = %s",
                (event_id,),
            )
            [(published,)] = cursor.fetchall()
            for name, at in zip(
                found,
                (
                    answered,
                    float(published),
                    posted - milliseconds / 1000,
                    posted,
                    received,
                ),
                strict=True,
            ):
                found[name].append((at - began) * 1000)
    connection.close()
    return found


async def _batch_of(aws: Aws, since: float) -> list[tuple[float, float]]:
    deadline = time.monotonic() + PATIENCE
    while not (found := await asyncio.to_thread(aws.batches, since)):
        if time.monotonic() > deadline:
            raise SystemExit("deliver logged nothing")
    return found


def percentiles(values: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(cut[49], 1), "p95": round(cut[94], 1), "p99": round(cut[98], 1)}


async def measure(env: Mapping[str, str], options: argparse.Namespace) -> dict[str, Any]:
    aws = Aws(env)
    clients = Clients(env)
    async with AsyncExitStack() as stack:
        stack.callback(aws.remove_minimal)
        aws.make_minimal()
        await clients.open(stack)
        herald = Route("herald", env["HERALD_TOPIC_ARN"], herald_message)
        paths = [herald, Route("minimal", aws.topic, minimal_message)]
        single_ms: dict[str, list[float]] = {path.name: [] for path in paths}
        burst_s: dict[str, list[float]] = {path.name: [] for path in paths}
        number = 0
        for path in paths:  # warm-up
            await singles(aws, path, clients, range(number, number := number + 10))
            await burst(aws, path, clients, range(number, number := number + 100))
        for round_number in range(options.rounds):
            for path in paths if round_number % 2 else reversed(paths):
                print(f"→ round {round_number + 1}/{options.rounds}, {path.name}", flush=True)
                taken = await singles(
                    aws, path, clients, range(number, number := number + options.singles)
                )
                single_ms[path.name] += [seconds * 1000 for seconds in taken]
                burst_s[path.name].append(
                    await burst(aws, path, clients, range(number, number := number + options.burst))
                )
        by_leg = await legs(env, aws, clients, options.singles)
    return {
        "legs_ms": {name: percentiles(values) for name, values in by_leg.items()},
        "single_ms": {name: percentiles(values) for name, values in single_ms.items()},
        "burst_s": {
            name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for name, values in burst_s.items()
        },
        "path_p50_vs_minimal": round(
            statistics.median(single_ms["herald"]) / statistics.median(single_ms["minimal"]), 3
        ),
        f"burst{options.burst}_vs_minimal": round(
            statistics.median(burst_s["herald"]) / statistics.median(burst_s["minimal"]), 3
        ),
    }


def report(found: Mapping[str, Any], options: argparse.Namespace) -> None:
    print("\nFrom the webhook to the end of each step, single events, ms")
    for name, row in found["legs_ms"].items():
        print(f"  {name:24} p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   p99 {row['p99']:7.1f}")
    print("\nFrom SNS to the client, single events, ms")
    for name, row in found["single_ms"].items():
        print(f"  {name:24} p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   p99 {row['p99']:7.1f}")
    print(f"\nA burst of {options.burst} from SNS to the clients, seconds until the last arrives")
    for name, row in found["burst_s"].items():
        print(f"  {name:24} {row['median']:.2f} ({row['min']:.2f}..{row['max']:.2f})")
    for key in ("path_p50_vs_minimal", f"burst{options.burst}_vs_minimal"):
        print(f"{key} = {found[key]}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path", description=__doc__)
    parser.add_argument("stack_env", type=Path, help="stack.env of a running stack (make up)")
    parser.add_argument("--singles", type=int, default=30, help="single events per round")
    parser.add_argument("--burst", type=int, default=500, help="events per burst")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    env = stack_env.read(options.stack_env)
    found = asyncio.run(measure(env, options))
    report(found, options)
    add_path_results(found)


if __name__ == "__main__":
    main()

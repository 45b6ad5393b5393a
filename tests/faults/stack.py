"""The local stack with fault proxies on every path, and functions with which tests control it.

    functions ─▶ Tap ─▶ microburst ─▶ emulator      SNS, DynamoDB, Secrets Manager, @connections
    functions ─▶ Tap ─▶ microburst ─▶ PostgreSQL
    clients   ─▶ Tap ─▶ emulator                    WebSockets

The proxies are idle until a test uses them, so every other test can share the stack.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx
import psutil
import psycopg2
from psycopg2.extras import RealDictCursor
from standardwebhooks.webhooks import Webhook

from local import processes, tokens
from tests.builders import SCHEDULE
from tests.fakes.provider_apis import KEY, ProviderApis
from tests.faults.background import Background, eventually
from tests.faults.clients import Client
from tests.faults.history import History
from tests.faults.microburst import Microburst
from tests.faults.tap import Address, Tap
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack

HANDLERS = (
    "callback",
    "relay",
    "reconcile",
    "deliver",
    "keep",
    "authorize",
    "connect",
    "message",
    "disconnect",
)
_SERVICES = ("DYNAMODB", "SECRETS_MANAGER", "SNS")
# AWS recommends six times the function's timeout; shorter here, to save time
VISIBILITY_SECONDS = 6


class Answer(NamedTuple):
    """The response to a webhook; status 0 if there was none."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class FaultStack:
    """A running stack, its proxies and its internals."""

    def __init__(self, stack: Stack, background: Background) -> None:
        self.stack = stack
        self.background = background
        self.env = stack.environment()
        emulator, postgres = (
            _address(self.env[name]) for name in ("AWS_ENDPOINT_URL", "HERALD_DATABASE_URL")
        )
        self.aws = Microburst("http", emulator, stack.directory)
        self.database = Microburst("postgres", postgres, stack.directory)
        self.aws_tap = Tap(("127.0.0.1", self.aws.port), websockets=emulator, kill=self.kill_client)
        self.database_tap = Tap(("127.0.0.1", self.database.port), kill=self.kill_client)
        self.apis = ProviderApis()  # stand-ins of the providers' APIs
        self._kept_keys = ""
        self._kept: dict[str, dict[str, str]] = {}  # the functions' original environments
        self._kept_visibility = ""

    def insert_proxies(self) -> None:
        """Route every connection through the proxies, with the same settings as for VPC
        endpoints.
        """
        self.background.run(self.aws_tap.start())
        self.background.run(self.database_tap.start())
        through = f"127.0.0.1:{self.aws_tap.port}"
        functions = self.client("lambda")
        for handler in HANDLERS:
            found = functions.get_function_configuration(FunctionName=self.function(handler))
            own = self._kept[handler] = found["Environment"]["Variables"]
            changed = {
                **own,
                **{f"AWS_ENDPOINT_URL_{name}": f"http://{through}" for name in _SERVICES},
            }
            if handler == "reconcile":
                changed["HERALD_PROVIDER_APIS"] = json.dumps(self.apis.addresses)
            if url := own.get("HERALD_MANAGEMENT_ENDPOINT"):
                changed["HERALD_MANAGEMENT_ENDPOINT"] = _through(url, through)
            self._configure(handler, changed)
        self._put_api_keys()
        # The local PostgreSQL server does not write commits durably, to be fast. In these tests,
        # commits must survive a crash.
        self.query("ALTER DATABASE herald SET synchronous_commit = on")
        dsn = self.env["HERALD_DATABASE_URL"]
        self._put_dsn(_through(dsn, f"127.0.0.1:{self.database_tap.port}"))
        queue = self.env["HERALD_QUEUE_URL"]
        self._kept_visibility = self.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["VisibilityTimeout"]
        )["Attributes"]["VisibilityTimeout"]
        self._set_visibility(str(VISIBILITY_SECONDS))

    def remove_proxies(self) -> None:
        """Restore the stack as it was."""
        self.heal()
        for handler, own in self._kept.items():
            self._configure(handler, own)
        self.query("ALTER DATABASE herald RESET synchronous_commit")
        self._put_dsn(self.env["HERALD_DATABASE_URL"])
        self._put_secret("HERALD_PROVIDERS_SECRET_ARN", self._kept_keys)
        self.apis.stop()
        self._set_visibility(self._kept_visibility)
        for tap in (self.aws_tap, self.database_tap):
            self.background.run(tap.stop())
        for proxy in (self.aws, self.database):
            proxy.stop()

    @property
    def websocket_url(self) -> str:
        """The URL at which clients connect through the proxy."""
        return _through(self.env["HERALD_WEBSOCKET_URL"], f"127.0.0.1:{self.aws_tap.port}")

    def client(self, service: str) -> Any:
        """A boto3 client with root credentials that bypasses the proxies."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def heal(self) -> None:
        """End every fault that a test may have left. Must not be called on the loop's thread."""
        self.aws.clear()
        self.database.clear()
        self.background.call(self.aws_tap.clear)
        self.background.call(self.database_tap.clear)
        if not self.stack.postgres.running():
            self.stack.postgres.start()

    # --- the database ---

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement, bypassing the proxies, and return its rows."""
        connection = psycopg2.connect(
            self.env["HERALD_DATABASE_URL"], cursor_factory=RealDictCursor
        )
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def generation(self, user: str) -> str:
        """Insert a PENDING generation, as the integrator does, and return its id."""
        generation = str(uuid.uuid4())
        self.query(
            "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, %s)",
            generation, user, f"a picture for {user}",
        )  # fmt: skip
        return generation

    def status(self, generation: str) -> str:
        rows = self.query("SELECT status FROM herald.generations WHERE id = %s", generation)
        return str(rows[0]["status"])

    def outbox(self, user: str) -> list[dict[str, Any]]:
        """A user's outbox rows in stream order: id, event, published."""
        return self.query(
            "SELECT id::text, event::text, published_at IS NOT NULL AS published FROM herald.outbox"
            " WHERE event->>'userid' = %s ORDER BY (event->>'sequence')::bigint",
            user,
        )

    # --- the provider ---

    def callback(
        self,
        generation: str,
        *,
        status: str = "COMPLETE",
        webhook_id: str | None = None,
        age: timedelta = timedelta(),
        body: dict[str, Any] | None = None,
        seconds: float = 30.0,
    ) -> Answer:
        """Call the webhook once, as the provider does."""
        text = json.dumps(body if body is not None else result(generation, status))
        signed = self.signed(text, webhook_id or f"msg_{uuid.uuid4()}", age)
        try:
            got = httpx.post(
                self.env["HERALD_CALLBACK_URL"], content=text, headers=signed, timeout=seconds
            )
        except httpx.TransportError:
            return Answer(0, {}, {})
        return Answer(got.status_code, _json(got.text), dict(got.headers))

    def signed(self, text: str, webhook_id: str, age: timedelta = timedelta()) -> dict[str, str]:
        """The Standard Webhooks headers for a body."""
        sent = datetime.now(UTC) - age
        signature = Webhook(self.env["HERALD_WEBHOOK_SECRET"]).sign(webhook_id, sent, text)
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(sent.timestamp())),
            "webhook-signature": signature,
        }

    # --- the functions ---

    def invoke(self, handler: str, event: object = None) -> dict[str, Any]:
        """Invoke a function and return its response; raise RuntimeError if it fails."""
        answer = self.client("lambda").invoke(
            FunctionName=self.function(handler), Payload=json.dumps(event or {}).encode()
        )
        said = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise RuntimeError(f"{handler}: {said}")
        return said or {}

    def function(self, handler: str) -> str:
        return f"herald-{self.env['HERALD_STAGE']}-{handler}"

    def relay(self) -> dict[str, Any]:
        """Run the relay as if its grace period were over for every unpublished row."""
        self.query(
            "UPDATE herald.outbox SET created_at = created_at - interval '1 minute'"
            " WHERE published_at IS NULL"
        )
        return self.invoke("relay", SCHEDULE)

    def reconcile(self, generations: list[str]) -> dict[str, Any]:
        """Run `reconcile` as if these generations were due for a look-up."""
        self.query(
            "UPDATE herald.generations SET next_check_at = now() - interval '1 second'"
            " WHERE id = ANY(%s::uuid[]) AND status = 'PENDING' AND next_check_at IS NOT NULL",
            generations,
        )
        self.query("UPDATE herald.polling SET paused_until = '-infinity', calls = 0")
        return self.invoke("reconcile", SCHEDULE)

    def workers(self, handler: str) -> list[psutil.Process]:
        """The processes that run a function."""
        name = self.function(handler)
        found = []
        for process in processes.owned(self.stack.directory):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
                    found.append(process)
        return found

    def kill(self, handler: str) -> int:
        """Kill a function's processes; return how many there were."""
        workers = self.workers(handler)
        for process in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(workers)

    def logs(self, handler: str, since: float) -> str:
        """A function's log, metrics included, since a time in epoch seconds."""
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=f"/aws/lambda/{self.function(handler)}", startTime=int(since * 1000)
            )
        )
        return "\n".join(event["message"] for page in pages for event in page["events"])

    def kill_client(self, port: int) -> None:
        """Kill the process of this stack that is connected from that port."""
        for process in processes.owned(self.stack.directory):
            with contextlib.suppress(psutil.Error):
                if any(link.laddr.port == port for link in process.net_connections("tcp4")):
                    os.kill(process.pid, signal.SIGKILL)
                    return

    # --- queues and tables ---

    def waiting(self, queue: str = "HERALD_QUEUE_URL") -> int:
        """The number of messages in a queue, including those in flight and delayed."""
        names = ["", "NotVisible", "Delayed"]
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self.env[queue],
            AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    def send(self, body: str, **options: Any) -> None:
        """Send a message to the queue that deliver consumes."""
        sqs = self.client("sqs")
        sqs.send_message(QueueUrl=self.env["HERALD_QUEUE_URL"], MessageBody=body, **options)

    def drain(self, queue: str = "HERALD_DLQ_URL") -> list[str]:
        """Remove all messages from a queue and return their bodies."""
        sqs, url = self.client("sqs"), self.env[queue]
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def redrive(self, queue: str = "queue", *, user: str = "") -> None:
        """Redrive all dead letters, or only those of `user`, as an operator does."""
        command = [sys.executable, "-m", "cli", "dlq", "redrive", "--queue", queue]
        command += ["--user", user] if user else []
        environment = {**os.environ, "HERALD_STACK_ENV": str(self.stack.env_file)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def connection_rows(self, user: str) -> list[dict[str, Any]]:
        """A user's connections: their ids and times."""
        table = boto3_table(self, "HERALD_CONNECTIONS_TABLE")
        item = table.get_item(Key={"user_id": user}, ConsistentRead=True).get("Item", {})
        return [
            {"connection_id": name.removeprefix("connection "), **value}
            for name, value in item.items()
            if name.startswith("connection ")
        ]

    def write_connection(self, user: str, row: dict[str, Any]) -> None:
        """Write one of a user's connections in the form of `connection_rows`."""
        times = {name: value for name, value in row.items() if name != "connection_id"}
        boto3_table(self, "HERALD_CONNECTIONS_TABLE").update_item(
            Key={"user_id": user},
            UpdateExpression="SET #connection = :connection",
            ExpressionAttributeNames={"#connection": f"connection {row['connection_id']}"},
            ExpressionAttributeValues={":connection": times},
        )

    # --- tabs ---

    def tab(self, user: str, history: History | None = None, **options: Any) -> Tab:
        """Open a tab of the user."""
        tab = Tab(self, self.new_client(user, history, **options))
        tab.open()
        return tab

    def warm_up(self) -> None:
        """Deliver one event, so that every function has been started."""
        user = f"warm-up-{uuid.uuid4().hex[:8]}"
        tab, generation = self.tab(user), self.generation(user)
        self.callback(generation)
        tab.sees(generation, seconds=60)
        tab.close()

    def new_client(
        self, user: str, history: History | None = None, *, name: str = "", **options: Any
    ) -> Client:
        options.setdefault("token", lambda: tokens.issue(self.env, user))
        return Client(
            name or f"{user}/{uuid.uuid4().hex[:4]}", user, self.websocket_url,
            history=history or History(), **options,
        )  # fmt: skip

    @contextlib.contextmanager
    def database_at(self, dsn: str) -> Iterator[None]:
        """Use `dsn` as the database secret, without the proxies, for the duration of the block."""
        tapped = _through(self.env["HERALD_DATABASE_URL"], f"127.0.0.1:{self.database_tap.port}")
        self._put_dsn(dsn)
        try:
            yield
        finally:
            self._put_dsn(tapped)

    def _configure(self, handler: str, variables: dict[str, str]) -> None:
        self.client("lambda").update_function_configuration(
            FunctionName=self.function(handler), Environment={"Variables": variables}
        )
        self.kill(handler)  # running processes still use the old settings

    def _put_dsn(self, dsn: str) -> None:
        self._put_secret("HERALD_DATABASE_SECRET_ARN", dsn)
        for handler in ("callback", "relay", "reconcile"):
            self.kill(handler)

    def _put_api_keys(self) -> None:
        """Give `reconcile` the keys of the stand-ins."""
        secret = self._kept["callback"]["HERALD_PROVIDERS_SECRET_ARN"]
        found = self.client("secretsmanager").get_secret_value(SecretId=secret)
        self._kept_keys = found["SecretString"]
        entries = json.loads(self._kept_keys)
        for name in self.apis.addresses:
            entries[name] = {**entries.get(name, {}), "api_key": KEY}
        self._put_secret("HERALD_PROVIDERS_SECRET_ARN", json.dumps(entries))

    def _put_secret(self, name: str, value: str) -> None:
        self.client("secretsmanager").put_secret_value(
            SecretId=self._kept["callback"][name], SecretString=value
        )

    def _set_visibility(self, seconds: str) -> None:
        self.client("sqs").set_queue_attributes(
            QueueUrl=self.env["HERALD_QUEUE_URL"], Attributes={"VisibilityTimeout": seconds}
        )


class Tab:
    """A client on the background loop, for tests that proceed step by step."""

    def __init__(self, stack: FaultStack, client: Client) -> None:
        self._stack = stack
        self.client = client

    def open(self) -> None:
        self._stack.background.call(self.client.start)
        eventually(lambda: self.client.welcomed, f"{self.client.name} is welcomed", 60)

    def close(self) -> None:
        self._stack.background.run(self.client.stop())

    def do(self, action: str) -> None:
        """Call a method of the client by name, on the loop's thread."""
        self._stack.background.call(getattr(self.client, action))

    def send(self, action: str, **fields: Any) -> None:
        self._stack.background.run(self.client.send(action, **fields))

    def sees(self, *generations: str, seconds: float = 20.0) -> None:
        """Wait until the application has seen exactly these results, each once, in any order."""
        wanted = sorted(generations)
        eventually(
            lambda: sorted(self.client.results()) == wanted,
            f"{self.client.name} sees {len(wanted)} results",
            seconds,
        )

    def more_than(self, count: int, kind: str) -> None:
        """Wait until more than `count` frames of that type have arrived."""
        what = f"{self.client.name} gets more than {count} {kind} frames"
        eventually(lambda: len(self.client.of(kind)) > count, what)

    def frame(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for a frame of that type and return the last one."""
        what = f"{self.client.name} gets a {kind} frame"
        return eventually(lambda: self.client.of(kind), what, seconds)[-1]


def result(generation: str, status: str = "COMPLETE") -> dict[str, Any]:
    """The provider's webhook body."""
    if status == "ERROR":
        error = {"code": "nsfw", "message": "The prompt was refused."}
        return {"generationId": generation, "status": "ERROR", "error": error}
    return {
        "generationId": generation,
        "status": "COMPLETE",
        "imageUrl": f"https://images.example.com/{generation}.png",
        "imageHeight": 1024,
        "imageWidth": 768,
    }


def boto3_table(stack: FaultStack, name: str) -> Any:
    """The DynamoDB table whose name is in this variable of stack.env."""
    return boto3.resource(
        "dynamodb",
        endpoint_url=stack.env["AWS_ENDPOINT_URL"],
        region_name=stack.env["AWS_REGION"],
        aws_access_key_id=stack.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack.env["AWS_SECRET_ACCESS_KEY"],
    ).Table(stack.env[name])


@contextlib.contextmanager
def proxied(stack: Stack) -> Iterator[FaultStack]:
    """A running stack with its proxies, for the duration of the block."""
    with Background() as background:
        stand = FaultStack(stack, background)
        try:
            stand.insert_proxies()
            stand.warm_up()
            yield stand
        finally:
            stand.remove_proxies()


def _through(url: str, authority: str) -> str:
    """Return the URL with another host and port, keeping user and password."""
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credentials}{at}{authority}").geturl()


def _address(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

"""Fixtures for the emulator's SQS behind a proxy, and for running `./herald`."""

from __future__ import annotations

import http.client
import os
import pty
import select
import signal
import subprocess
import sys
import uuid
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local import emulator, processes
from tests.fakes.http_server import HttpServer
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

    from local.emulator import Emulator


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of this run."""
    directory = tmp_path_factory.mktemp("emulator")
    (directory / "logs").mkdir()
    try:
        yield emulator.start(directory, {})
    finally:
        processes.stop(directory)


class Proxy(HttpServer):
    """A proxy between a command and the emulator.

    `before` and `after` are called with the operation's name before and after each forwarded
    request. If `before` returns an error code, the request is not forwarded but answered with this
    error.
    """

    def __init__(self, port: int) -> None:
        self.before: Callable[[str], str | None] = lambda operation: None
        self.after: Callable[[str], None] = lambda operation: None
        super().__init__(_handler(self, port))


def _handler(proxy: Proxy, port: int) -> type[BaseHTTPRequestHandler]:
    """Return a handler that forwards requests to the emulator at `port`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
            if code := proxy.before(operation):
                text = f'{{"__type":"{code}","message":"{code}"}}'.encode()
                self.answer(400, "application/x-amz-json-1.0", text)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            upstream.request("POST", self.path, body, dict(self.headers))
            response = upstream.getresponse()
            content = response.read()
            upstream.close()
            proxy.after(operation)
            self.answer(response.status, response.headers["content-type"], content)

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # the command was killed

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


@pytest.fixture
def proxy(aws: Emulator) -> Iterator[Proxy]:
    found = Proxy(aws.port)
    yield found
    found.stop()


class Queues:
    """A queue with its two dead-letter queues, reached without the proxy."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.dlq = self._made(f"{name}-queue-dlq")
        self.subscription_dlq = self._made(f"{name}-subscription-dlq")
        self.main = self._made(f"{name}-queue", VisibilityTimeout="0")

    def _made(self, name: str, **attributes: str) -> str:
        return str(self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def bury(self, *bodies: str, url: str = "", **attributes: str) -> None:
        """Put messages into a dead-letter queue."""
        for body in bodies:
            self.client.send_message(
                QueueUrl=url or self.dlq,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )

    def taken(self, url: str) -> list[dict[str, Any]]:
        """Receive and delete everything that is visible now."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if "Messages" not in answer:
                return found
            for message in answer["Messages"]:
                self.client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += answer["Messages"]

    def bodies(self, url: str) -> list[str]:
        return sorted(message["Body"] for message in self.taken(url))


@pytest.fixture
def queues(aws: Emulator) -> Iterator[Queues]:
    client = boto3.client(
        "sqs",
        endpoint_url=aws.url,
        region_name=emulator.REGION,
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key,
    )
    found = Queues(client, f"test-{uuid.uuid4().hex}")
    yield found
    for url in (found.main, found.dlq, found.subscription_dlq):
        client.delete_queue(QueueUrl=url)
    client.close()


@pytest.fixture
def stack_file(aws: Emulator, proxy: Proxy, queues: Queues, tmp_path: Path) -> Path:
    """A stack.env with which commands use the proxy."""
    values = {
        **aws.aws_environment(),
        "AWS_ENDPOINT_URL": proxy.url,
        "HERALD_STAGE": "test",
        "HERALD_QUEUE_URL": queues.main,
        "HERALD_DLQ_URL": queues.dlq,
        "HERALD_SUBSCRIPTION_DLQ_URL": queues.subscription_dlq,
    }
    path = tmp_path / "stack.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return path


def _environment(**ours: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HERALD_", "AWS_")) and name != "STAGE"
    }
    return {**kept, **ours}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cli", *words]


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command without our own HERALD_ and AWS_ settings."""
    return subprocess.Popen(
        _command(*words),
        cwd=ROOT,
        env=_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # If a shell has started the tests in the background, SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def run(*words: str, **environment: str) -> tuple[int, str, str]:
    """Run a command; return exit code, stdout and stderr."""
    process = start(*words, **environment)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def on_terminal(*words: str) -> tuple[int, str]:
    """Run a command on its own terminal; return the exit code and all output to the terminal."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            _command(*words),
            cwd=ROOT,
            env=_environment(TERM="xterm", COLUMNS="200"),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
    finally:
        os.close(terminal)
    with os.fdopen(controller, "rb", buffering=0) as screen:
        received = _until_closed(screen)
    return process.wait(timeout=60), received.decode()


def _until_closed(screen: FileIO) -> bytes:
    received = b""
    while select.select([screen], [], [], 60)[0]:
        try:
            received += screen.read(65_536)
        except OSError:  # EIO: no process has the terminal any more
            return received
    raise TimeoutError("the command does not end")

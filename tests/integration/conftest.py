"""AWS services for single modules: moto's DynamoDB over HTTP, and a scripted @connections."""

import os
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from chalicelib.aws.service import DYNAMODB, Service
from chalicelib.engine.engine import Engine
from chalicelib.runtime import Runtime
from chalicelib.store.connections import Connections
from chalicelib.store.inbox import Inbox

REGION = "eu-central-1"
JWT_SECRET = "j" * 32


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a moto server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Gateway:
    """A fake of API Gateway's @connections, which records posts and answers with scripted
    statuses.
    """

    def __init__(self) -> None:
        self.posted: dict[str, list[str]] = {}
        self.closed: list[str] = []
        # statuses by connection id; the last one is repeated
        self.statuses: dict[str, list[int]] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                status = gateway.next_status(self.connection_id)
                if status == 200:
                    gateway.posted.setdefault(self.connection_id, []).append(body)
                self.answer(status)

            def do_DELETE(self) -> None:
                gateway.closed.append(self.connection_id)
                self.answer(204)

            @property
            def connection_id(self) -> str:
                return self.path.rpartition("/@connections/")[2].replace("%3D", "=")

            def answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/test"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def next_status(self, connection_id: str) -> int:
        script = self.statuses.get(connection_id, [200])
        return script.pop(0) if len(script) > 1 else script[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.stop()


@pytest.fixture
def environment(moto: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of every function, with moto and the scripted @connections."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "HERALD_"))]:
        monkeypatch.delenv(name)
    found = {
        "AWS_ENDPOINT_URL": moto,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "HERALD_STAGE": "test",
        "HERALD_CONNECTIONS_TABLE": "connections",
        "HERALD_INBOX_TABLE": "inbox",
        "HERALD_INBOX_RETENTION_DAYS": "7",
        "HERALD_KEEPALIVE_MS": "510000",
        "HERALD_MANAGEMENT_ENDPOINT": gateway.url,
        "HERALD_POSTS_PER_SECOND": "1000",
        "HERALD_MAX_RECEIVE_COUNT": "3",
        "HERALD_RECONCILE_FUNCTION": "reconcile",
        "HERALD_MAX_CONNECTIONS_PER_USER": "3",
        "HERALD_JWT_ALGORITHM": "HS256",
        "HERALD_JWT_SECRET_ARN": "jwt",
        "HERALD_JWT_ISSUER": "issuer",
        "HERALD_JWT_AUDIENCE": "herald",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def dynamodb(moto: str, environment: dict[str, str]) -> Iterator[Any]:
    """A boto3 client; the tables are empty and the JWT secret is set."""
    reset = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="jwt", SecretString=JWT_SECRET)
    secrets.close()
    client = boto3.client("dynamodb")
    create_table(client, "connections")
    create_table(client, "inbox", "position")
    yield client
    client.close()


@pytest.fixture
def runtime(dynamodb: Any, environment: dict[str, str]) -> Iterator[Runtime]:
    """The functions, built as on AWS, with that environment."""
    found = Runtime(environment)
    yield found
    found.close()


@pytest.fixture
def service(dynamodb: Any, environment: dict[str, str]) -> Iterator[Service]:
    """DynamoDB, called through an engine of its own."""
    engine = Engine()
    yield Service(engine, DYNAMODB, environment)
    engine.close()


@pytest.fixture
def connections(service: Service) -> Connections:
    """The connections table."""
    return Connections(service, "connections")


@pytest.fixture
def stored(service: Service) -> Inbox:
    """The inbox."""
    return Inbox(service, "inbox", 7)


def create_table(client: Any, name: str, sort_key: str | None = None) -> None:
    keys = {"user_id": "HASH"} | ({sort_key: "RANGE"} if sort_key else {})
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
    )

"""Fixtures for end-to-end tests: users, their tabs and the provider. They do not use Herald's
code. Every frame and every answer to a webhook is compared with the contracts.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import psycopg2
import pytest
from standardwebhooks import Webhook
from websockets.sync.client import ClientConnection, connect

from local.tokens import Issuer
from tests import contracts

SECONDS = 20.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run test_zz_wire.py last, because it checks the whole run and stops the stack."""
    items.sort(key=lambda item: item.path.name == "test_zz_wire.py")


class Tab:
    """A WebSocket client of herald.v1 that the tests drive frame by frame.

    `say` sends only frames of the contract; tests send other ones through `socket`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def say(self, **frame: Any) -> None:
        assert (error := contracts.frame_error("client", frame)) is None, error
        self.socket.send(json.dumps(frame))

    def hear(self, seconds: float = SECONDS) -> dict[str, Any]:
        """Return the next frame; raises TimeoutError."""
        frame: dict[str, Any] = json.loads(self.socket.recv(seconds))
        assert (error := contracts.frame_error("server", frame)) is None, error
        return frame

    def hello(self, resume: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Say hello and return the welcome."""
        self.say(action="hello", id=1, **({"resume": resume} if resume else {}))
        welcome = self.hear()
        assert welcome["type"] == "welcome", welcome
        return welcome

    def events(self, count: int) -> list[dict[str, Any]]:
        """Return the next `count` events, from `event` and `events` frames."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = self.hear()
            assert frame["type"] in ("event", "events"), frame
            found += frame["items"] if frame["type"] == "events" else [frame]
        return found

    def silent(self) -> bool:
        """Whether no event is pending. A pending event would arrive before the pong."""
        self.say(action="ping", id="silence")
        frame = self.hear()
        return (frame["type"], frame.get("re")) == ("pong", "silence")


class User:
    """One of the integrator's users: their token, generations and tabs."""

    def __init__(self, herald: "Herald", name: str) -> None:
        self.name = name
        self._herald = herald

    def token(self, **claims: Any) -> str:
        return self._herald.token(sub=self.name, **claims)

    def tab(self, **options: Any) -> Tab:
        """Open a tab without saying hello; options as for Herald.open."""
        return self._herald.open(self.token(), **options)

    def generation(self, prompt: str = "a lighthouse") -> str:
        """Insert a PENDING row, as the integrator does; return its id."""
        generation_id = str(uuid.uuid4())
        self._herald.database.execute(
            "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, %s)",
            (generation_id, self.name, prompt),
        )
        return generation_id

    def finished(self, prompt: str = "a lighthouse") -> str:
        """Finish a generation through its webhook; return its id."""
        generation_id = self.generation(prompt)
        answer = self._herald.webhook(generation_id)
        assert answer.status_code == 200, answer.text
        return generation_id


class Herald:
    """The stack as its users see it."""

    def __init__(self, env: Mapping[str, str], database: Any, tabs: ExitStack) -> None:
        self.env = env
        self.database = database
        self._tabs = tabs
        self._http = tabs.enter_context(httpx.Client(timeout=30))

    def user(self) -> User:
        return User(self, f"user-{uuid.uuid4().hex[:12]}")

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        return Issuer.of(self.env).sign(**{"iat": now, "exp": now + 900, **claims})

    def open(self, token: str | None, *, by: str = "subprotocol", **options: Any) -> Tab:
        """Open a WebSocket; the token is sent as a subprotocol, as in browsers, or as a header."""
        if by == "subprotocol" and token:
            options["subprotocols"] = ["herald.v1", f"bearer.{token}"]
        elif token:
            options["additional_headers"] = {"Authorization": f"Bearer {token}"}
        socket = connect(self.env["HERALD_WEBSOCKET_URL"], proxy=None, **options)
        return Tab(self._tabs.enter_context(socket))

    def webhook(
        self,
        generation_id: str,
        *,
        body: str | None = None,
        webhook_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Call Herald as the generation provider does."""
        if body is None:
            result = {
                "status": "COMPLETE",
                "imageUrl": f"https://images.example/{generation_id}.png",
                "imageHeight": 1024,
                "imageWidth": 768,
                "coreModel": "sd-xl",
            }
            body = json.dumps({"generationId": generation_id, **result, **fields})
        now = datetime.now(UTC)
        sent_id = webhook_id or f"msg_{uuid.uuid4().hex}"
        signature = Webhook(self.env["HERALD_WEBHOOK_SECRET"]).sign(sent_id, now, body)
        answer = self._http.post(
            self.env["HERALD_CALLBACK_URL"],
            content=body.encode(),
            headers={
                "content-type": "application/json",
                "webhook-id": sent_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signature,
                **(headers or {}),
            },
        )
        error = contracts.answer_error(answer.status_code, answer.json())
        assert error is None, error
        return answer

    def query(self, sql: str, *values: Any) -> list[Any]:
        self.database.execute(sql, values)
        return list(self.database.fetchall())

    def client(self, service: str) -> Any:
        return boto3.Session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def open_herald(env: Mapping[str, str]) -> Iterator[Herald]:
    """The stack, with a connection to its database; all tabs are closed at the end."""
    connection = psycopg2.connect(env["HERALD_DATABASE_URL"])
    connection.autocommit = True
    with ExitStack() as tabs, connection.cursor() as cursor:
        yield Herald(env, cursor, tabs)
    connection.close()


@pytest.fixture
def herald(stack_env: Mapping[str, str]) -> Iterator[Herald]:
    with open_herald(stack_env) as herald:
        yield herald


@pytest.fixture
def alice(herald: Herald) -> User:
    return herald.user()


@pytest.fixture
def bob(herald: Herald) -> User:
    return herald.user()


def eventually(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until the condition is true and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"the condition was not met within {seconds:g} s"
        time.sleep(0.05)
    return value

"""The steps of the smoke test, with their durations, and the removal of their traces."""

from __future__ import annotations

import json
import time
import uuid
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import psycopg2
from botocore.exceptions import BotoCoreError, ClientError
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from cli.console import CommandError, note, uninterrupted
from cli.provider_keys import own_secrets
from cli.smoke import rows, tables
from tooling.providers import samples, signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.sync.client import ClientConnection

    from cli.target import DatabaseTarget, Target

USER_PREFIX = "herald-smoke-"
_PAUSE_SECONDS = 1.0  # between two attempts
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class Step(StrEnum):
    """The steps, in order."""

    ROW = "row"
    KEY = "key"
    CONNECT = "connect"
    WEBHOOK = "webhook"
    EVENT = "event"


_DONE = {
    Step.ROW: "a generation of a synthetic user is in the database",
    Step.KEY: "a temporary API key is in its table",
    Step.CONNECT: "the WebSocket client is connected and welcomed",
    Step.WEBHOOK: "the signed webhook is accepted and recorded",
    Step.EVENT: "the event has arrived at the client",
}

_LOOK = {
    Step.ROW: "Check HERALD_DATABASE_URL, or the DSN in the database secret: its role must be"
    " allowed to insert and delete rows. `./herald migrate --check` shows whether the schema is"
    " current.",
    Step.KEY: "Check your credentials and the table of API keys.",
    Step.CONNECT: "Look at the logs of authorize, connect and message.",
    Step.WEBHOOK: "Look at the log of callback. After a change of the webhook secret, functions can"
    " use the old secret for five minutes.",
    Step.EVENT: "Look at the logs of callback and deliver, and run `./herald dlq list`.",
}


class Leg(NamedTuple):
    """A completed step, and how long it took."""

    step: Step
    seconds: float


class Result(NamedTuple):
    """The completed steps, the failed step if any, its error, and the traces that remain."""

    legs: list[Leg]
    failed: Step | None = None
    error: str = ""
    left: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.failed is None and not self.left

    def public(self) -> dict[str, Any]:
        """Return the result for scripts; durations in milliseconds."""
        return {
            "passed": self.passed,
            "steps": {leg.step.value: round(leg.seconds * 1000) for leg in self.legs},
            "failed": self.failed,
            "error": self.error or None,
            "left": list(self.left),
        }


class Failed(Exception):
    """A step failed; the message says what happened instead of the expected result."""


# The errors that make a step fail.
_FAILURES = (
    Failed,
    CommandError,
    psycopg2.Error,
    BotoCoreError,
    ClientError,
    WebSocketException,
    httpx.HTTPError,
    OSError,
    ValueError,  # a response or a frame that is not JSON
)


def run(target: Target, database: DatabaseTarget, *, patience: float) -> Result:
    """Send one generation through a deployed Herald, and remove all of its traces.

    `patience` is the time limit of each step, in seconds. The traces are always removed, even
    after Ctrl-C. The result names the traces that could not be removed.
    """
    generation = _Generation(target, database, patience)
    try:
        result = generation.sent()
    finally:
        left = generation.removed()
    return result._replace(left=tuple(left))


class _Generation:
    """The synthetic generation, its owner, and its way through Herald."""

    def __init__(self, target: Target, database: DatabaseTarget, patience: float) -> None:
        self.user = f"{USER_PREFIX}{uuid.uuid4().hex}"
        self.id = str(uuid.uuid4())
        self.webhook_id = f"msg_{uuid.uuid4().hex}"
        self._target = target
        self._database = database
        self._patience = patience
        self._key_id = ""
        self._key = ""
        self._client: ClientConnection | None = None

    def sent(self) -> Result:
        """Do the steps, up to the first failure."""
        steps: dict[Step, Callable[[], None]] = {
            Step.ROW: lambda: rows.insert(self._database, self.id, self.user),
            Step.KEY: self._issue_key,
            Step.CONNECT: self._connect,
            Step.WEBHOOK: self._call_webhook,
            Step.EVENT: self._await_event,
        }
        legs: list[Leg] = []
        for step, action in steps.items():
            began = time.monotonic()
            try:
                action()
            except _FAILURES as exc:
                error = str(exc).strip() or type(exc).__name__
                note(f"  ✗ {step:8} {error}\n{_LOOK[step]}")
                return Result(legs, step, error)
            legs.append(Leg(step, time.monotonic() - began))
            note(f"  ✓ {step:8} {legs[-1].seconds * 1000:6.0f} ms  {_DONE[step]}")
        return Result(legs)

    def removed(self) -> list[str]:
        """Remove every trace; return a sentence for each trace that could not be removed."""
        traces: dict[str, Callable[[], None]] = {
            "the connection": self._disconnect,
            "the API key": self._revoke_key,
            "the items in DynamoDB": lambda: tables.forget_user(self._target, self.user),
            "the rows in PostgreSQL": self._delete_rows,
        }
        left = []
        with uninterrupted():
            for name, remove in traces.items():
                try:
                    remove()
                except _FAILURES as exc:
                    left.append(f"{name} of user {self.user}: {str(exc).strip()}")
        for sentence in left:
            note(f"  Not removed: {sentence}")
        return left

    def _issue_key(self) -> None:
        self._key_id, self._key = tables.issue_key(self._target, self.user)

    def _revoke_key(self) -> None:
        if self._key_id:
            tables.revoke_key(self._target, self._key_id)

    def _connect(self) -> None:
        """Connect with the API key and say hello."""
        url = self._target.output("websocket_url")
        deadline = time.monotonic() + self._patience
        while self._client is None:
            try:
                self._client = connect(
                    url,
                    additional_headers={"x-api-key": self._key},
                    open_timeout=self._patience,
                    proxy=None if _is_local(url) else True,
                )
            except (InvalidStatus, OSError) as exc:
                _retry_or_raise(exc, deadline)
        self._client.send(json.dumps({"action": "hello", "id": 1}))
        self._await_frame(lambda frame: frame.get("type") == "welcome")

    def _call_webhook(self) -> None:
        """Send a signed webhook, as the provider does, and repeat it after a 5xx response."""
        url = self._target.output("callback_url")
        body = self._body()
        secrets = own_secrets(self._target)
        if not secrets:
            raise Failed("The webhook secret has no value.")
        deadline = time.monotonic() + self._patience
        with httpx.Client(timeout=30, trust_env=not _is_local(url)) as client:
            while True:
                try:
                    headers = self._headers(secrets[0], body)
                    response = client.post(url, content=body, headers=headers)
                    response.raise_for_status()
                    break
                except httpx.HTTPError as exc:
                    _retry_or_raise(exc, deadline)
        if "outcome" not in response.json():
            raise Failed(f"Herald answered the webhook with {response.text}")

    def _body(self) -> bytes:
        job = samples.Job(self.id, "", (f"https://images.example.com/{self.id}.png",))
        return samples.sample("generations", "succeeded", job) or b""

    def _headers(self, secret: str, body: bytes) -> dict[str, str]:
        signed = signing.sign(
            "generations",
            body,
            {"secret": secret},
            generation_id=self.id,
            delivery_id=self.webhook_id,
            now=time.time(),
        )
        return {**signed.headers, "content-type": "application/json"}

    def _await_event(self) -> None:
        self._await_frame(
            lambda frame: any(
                item.get("event", {}).get("subject") == self.id
                and item["event"]["data"]["status"] == "COMPLETE"
                for item in frame.get("items", [frame])
            )
        )

    def _await_frame(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        assert self._client is not None, "connected before"  # noqa: S101
        deadline = time.monotonic() + self._patience
        while True:
            try:
                frame = json.loads(self._client.recv(timeout=max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                raise Failed(f"The event did not arrive within {self._patience:.0f} s.") from None
            if wanted(frame):
                return

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()

    def _delete_rows(self) -> None:
        rows.delete(self._database, self.id, self.user, self.webhook_id)


def _retry_or_raise(error: Exception, deadline: float) -> None:
    """Pause before the next attempt; raises Failed if it could not succeed or would be too late."""
    response = getattr(error, "response", None)
    final = response is not None and response.status_code not in _TRANSIENT
    if final or time.monotonic() + _PAUSE_SECONDS > deadline:
        said = getattr(response, "text", "") or ""
        raise Failed(f"{error} {said}".strip()) from error
    time.sleep(_PAUSE_SECONDS)


def _is_local(url: str) -> bool:
    """Whether a URL is on this machine, so that requests must not go through a proxy."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")

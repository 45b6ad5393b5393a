"""Sends one generation through a stack and measures the latency of each step.

The webhooks are Replicate's: a prediction that is processing, and the same prediction when it has
succeeded.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import psycopg2
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from local import tokens
from tooling import SetupError
from tooling.providers import signing
from tooling.providers.samples import Job, State, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.sync.client import ClientConnection

_USER = "demo"
_PROVIDER = "replicate"
_PATIENCE = 15.0  # seconds until the notification is considered lost


class Delivery(NamedTuple):
    """The webhook's address, the frames that the client received, and the duration of each step in
    seconds.
    """

    url: str
    progress: dict[str, Any]
    result: dict[str, Any]
    connected: float
    progress_received: float
    callback: float
    received: float

    def __str__(self) -> str:
        progress, result = (json.dumps(part, indent=2) for part in (self.progress, self.result))
        return (
            f"\nReplicate called {self.url}\n\n"
            f"First, the WebSocket client received progress:\n{progress}\n\n"
            f"Then it received the result:\n{result}\n\n{self.legs()}\n"
        )

    def legs(self) -> str:
        """Return a line with the latency of each step."""
        return "\n".join(
            f"  {leg:22} {seconds * 1000:6.0f} ms{since}"
            for leg, seconds, since in [
                ("connected and welcomed", self.connected, ""),
                ("progress received", self.progress_received, " after its webhook was sent"),
                ("callback answered", self.callback, " after the result's webhook was sent"),
                ("result received", self.received, " after the result's webhook was sent"),
            ]
        )


def deliver_one(environment: Mapping[str, str]) -> Delivery:
    """Insert a generation, connect as its owner, call the webhook twice, and wait for both events.

    Raises
    ------
    SetupError
        A step fails, or an event does not arrive.
    """
    generation = _insert_pending(environment)
    began = time.monotonic()
    try:
        with _open(environment) as client:
            client.send(json.dumps({"action": "hello", "id": 1}))
            _await(client, lambda frame: frame["type"] == "welcome")
            connected = time.monotonic() - began
            sent = time.monotonic()
            url = _call_webhook(environment, generation, "running")
            progress = _await(client, lambda frame: is_about(frame, generation, progress=True))
            after = time.monotonic() - sent
            sent = time.monotonic()
            _call_webhook(environment, generation, "succeeded")
            answered = time.monotonic() - sent
            result = _await(client, lambda frame: is_about(frame, generation, progress=False))
            received = time.monotonic() - sent
            return Delivery(url, progress, result, connected, after, answered, received)
    except (WebSocketException, OSError, httpx.HTTPError) as error:
        raise SetupError(f"The demo failed: {type(error).__name__}: {error}") from error


def _open(environment: Mapping[str, str]) -> ClientConnection:
    subprotocols: list[Any] = ["herald.v1", f"bearer.{tokens.issue(environment, _USER)}"]
    origin: Any = environment["HERALD_STUDIO_URL"]
    url = environment["HERALD_WEBSOCKET_URL"]
    return connect(url, subprotocols=subprotocols, origin=origin, proxy=None, open_timeout=20)


def _await(client: ClientConnection, wanted: Any) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while (left := deadline - time.monotonic()) > 0:
        try:
            frame: dict[str, Any] = json.loads(client.recv(timeout=left))
        except TimeoutError:
            break
        if wanted(frame):
            return frame
    raise SetupError(f"No notification within {_PATIENCE:.0f} s; see `python -m local logs`.")


def is_about(frame: dict[str, Any], generation: str, *, progress: bool) -> bool:
    """Return whether a frame is a generation's progress, or its result.

    Progress can be delivered twice, so a frame after the progress need not be the result.
    """
    if frame["type"] != "event" or frame["event"]["subject"] != generation:
        return False
    return bool((frame["event"]["type"] == "herald.generation.progress") == progress)


def _insert_pending(environment: Mapping[str, str]) -> str:
    """Insert a PENDING row, as the integrator does when a user requests an image."""
    generation = str(uuid.uuid4())
    connection = psycopg2.connect(environment["HERALD_DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO herald.generations (id, user_id, prompt, provider)"
                " VALUES (%s, %s, %s, %s)",
                (generation, _USER, "A lighthouse at dawn, in watercolour", _PROVIDER),
            )
    finally:
        connection.close()
    return generation


def _call_webhook(environment: Mapping[str, str], generation: str, state: State) -> str:
    """Call the generation's address as Replicate does; return the address."""
    urls = (f"https://images.example.com/{generation}.png",)
    body = sample(_PROVIDER, state, Job(generation, f"demo-{generation}", urls)) or b""
    keys = json.loads(Path(environment["HERALD_PROVIDER_KEYS"]).read_text())[_PROVIDER]
    signed = signing.sign(
        _PROVIDER,
        body,
        keys,
        generation_id=generation,
        delivery_id=f"msg_{uuid.uuid4().hex}",
        now=time.time(),
    )
    url = signed.url(environment["HERALD_CALLBACKS_URL"], _PROVIDER, generation)
    headers = {"content-type": "application/json", **signed.headers}
    response = httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)
    if response.status_code >= 300:
        raise SetupError(
            f"Herald answered the webhook with {response.status_code}: {response.text}"
        )
    return url

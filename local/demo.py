"""Sends one generation through a stack and measures the latency of each step."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import psycopg2
from standardwebhooks.webhooks import Webhook
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from local import tokens
from tooling import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.sync.client import ClientConnection

_USER = "demo"
_PATIENCE = 15.0  # seconds until the notification is considered lost


class Delivery(NamedTuple):
    """The event as the client received it, and the duration of each step in seconds."""

    frame: dict[str, Any]
    connected: float
    callback: float
    received: float

    def __str__(self) -> str:
        received = json.dumps(self.frame, indent=2)
        return f"\nThe WebSocket client received:\n{received}\n\n{self.legs()}\n"

    def legs(self) -> str:
        """Return a line with the latency of each step."""
        return "\n".join(
            f"  {leg:22} {seconds * 1000:6.0f} ms{since}"
            for leg, seconds, since in [
                ("connected and welcomed", self.connected, ""),
                ("callback answered", self.callback, " after the webhook was sent"),
                ("event received", self.received, " after the webhook was sent"),
            ]
        )


def deliver_one(environment: Mapping[str, str]) -> Delivery:
    """Insert a generation, connect as its owner, call the webhook and wait for the event.

    Raises
    ------
    SetupError
        A step fails, or the event does not arrive.
    """
    generation = _insert_pending(environment)
    began = time.monotonic()
    try:
        with _open(environment) as client:
            client.send(json.dumps({"action": "hello", "id": 1}))
            _await(client, lambda frame: frame["type"] == "welcome")
            connected = time.monotonic() - began
            sent = time.monotonic()
            _call_webhook(environment, generation)
            answered = time.monotonic() - sent
            frame = _await(client, lambda frame: _concerns(frame, generation))
            return Delivery(frame, connected, answered, time.monotonic() - sent)
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


def _concerns(frame: dict[str, Any], generation: str) -> bool:
    return bool(frame["type"] == "event" and frame["event"]["subject"] == generation)


def _insert_pending(environment: Mapping[str, str]) -> str:
    """Insert a PENDING row, as the integrator does when a user requests an image."""
    generation = str(uuid.uuid4())
    connection = psycopg2.connect(environment["HERALD_DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO herald.generations (id, user_id, status, prompt, core_model)"
                " VALUES (%s, %s, 'PENDING', %s, %s)",
                (generation, _USER, "A lighthouse at dawn, in watercolour", "studio-1"),
            )
    finally:
        connection.close()
    return generation


def _call_webhook(environment: Mapping[str, str], generation: str) -> None:
    """Report the result, as the generation provider does when the image is ready."""
    body = json.dumps(
        {
            "generationId": generation,
            "status": "COMPLETE",
            "imageUrl": f"https://images.example.com/{generation}.png",
            "imageHeight": 1024,
            "imageWidth": 1024,
        }
    )
    identifier, now = f"msg_{uuid.uuid4().hex}", datetime.now(UTC)
    signature = Webhook(environment["HERALD_WEBHOOK_SECRET"]).sign(identifier, now, body)
    headers = {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    url = environment["HERALD_CALLBACK_URL"]
    response = httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)
    if response.status_code >= 300:
        raise SetupError(f"The webhook was answered {response.status_code}: {response.text}")

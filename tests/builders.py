"""Events, messages and contexts as Lambda passes them to the functions."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.protocol import event_writer
from chalicelib.protocol.events import rfc3339
from chalicelib.providers.report import Report
from chalicelib.recording import generation_events, webhooks
from chalicelib.store.connections import NEVER, Connection
from chalicelib.store.user_item import PREFIX

EPOCH_AGE_SECONDS = 60
# The event of a schedule, as AWS documents it.
SCHEDULE: dict[str, Any] = json.loads((Path(__file__).parent / "events/schedule.json").read_text())


def epoch(age_seconds: float = EPOCH_AGE_SECONDS, tail: int = 1) -> str:
    """Return a UUIDv7 that was created `age` seconds ago."""
    milliseconds = int((time.time() - age_seconds) * 1000)
    text = f"{milliseconds:012x}7000800000000000{tail:04x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event(user_id: str = "alice", offset: int = 1, of_epoch: str = "", prompt: str = "p") -> str:
    """An event as Herald publishes it."""
    now = datetime.now(UTC)
    row: Any = {
        "id": f"00000000-0000-4000-8000-{offset:012d}",
        "user_id": user_id,
        "status": "COMPLETE",
        "prompt": prompt,
        "image_url": "https://images.example/1.png",
        "image_height": 1,
        "image_width": 1,
        "core_model": "m",
        "error": None,
        "version": f"{of_epoch}/{user_id}",
        "created_at": now,
        "updated_at": now,
    }
    return result_event(row, epoch=of_epoch or EPOCH, offset=offset)


def result_event(
    row: Any, *, epoch: str, offset: int, outputs: Any = (), unkept: int = 0, stage: str = "test"
) -> str:
    """The event that PostgreSQL writes when it records a result, from the row of the generation."""
    data: Any = {
        "prompt": row["prompt"],
        "status": row["status"],
        "imageUrl": row["image_url"],
        "imageHeight": row["image_height"],
        "imageWidth": row["image_width"],
        "coreModel": row["core_model"],
        "createdAt": rfc3339(row["created_at"]),
        "updatedAt": rfc3339(row["updated_at"]),
    }
    if row["status"] == "ERROR":
        data["error"] = row["error"]
    if outputs:
        data["outputs"] = list(outputs)
    if unkept:
        data["outputsNotKept"] = unkept
    envelope = event_writer.envelope(
        data,
        event_id=event_writer.event_id(row["id"], row["version"]),
        subject=row["id"],
        stage=stage,
        user_id=row["user_id"],
    )
    placed = {**envelope, "epoch": epoch, "sequence": str(offset)}
    text = json.dumps(placed, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()  # PostgreSQL has no lone surrogates


def progress(
    user_id: str = "alice",
    generation: int = 1,
    *,
    seconds_ago: float = 0,
    fraction: float = 0.5,
    step: str = "sampling",
) -> str:
    """A progress event as Herald publishes it; the generation is that of the event at an offset."""
    return generation_events.build_progress(
        f"00000000-0000-4000-8000-{generation:012d}",
        user_id,
        stage="test",
        now=datetime.now(UTC) - timedelta(seconds=seconds_ago),
        fraction=fraction,
        step=step,
        preview_url=None,
    )


EPOCH = epoch()


class Context:
    """Lambda's context object, with this much time left."""

    def __init__(self, seconds: float = 30) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def sqs(*bodies: str, receives: int = 1) -> Any:
    """An SQS event; message ids are m0, m1, …"""
    return {
        "Records": [
            {
                "messageId": f"m{index}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for index, body in enumerate(bodies)
        ]
    }


def websocket(
    frame: Any = None,
    *,
    user_id: str = "alice",
    connection_id: str = "c1=",
    token_expires_at: int | None = None,
    issued_at: int | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """A WebSocket event of API Gateway, with the authorizer's context."""
    now = int(time.time())
    expires = now + 900 if token_expires_at is None else token_expires_at
    issued = now if issued_at is None else issued_at
    return {
        "headers": headers or {},
        "body": frame if frame is None or isinstance(frame, str) else json.dumps(frame),
        "requestContext": {
            "connectionId": connection_id,
            "connectedAt": int(time.time() * 1000),
            "authorizer": {
                "user_id": user_id,
                "token_expires_at": str(expires),
                "issued_at": str(issued),
            },
        },
    }


def connected(
    user_id: str,
    connection_id: str,
    *,
    age_seconds: int = 60,
    token_expires_at: int = NEVER,
) -> Connection:
    """A connection of the given age."""
    began = int(time.time()) - age_seconds
    return Connection(user_id, connection_id, began, token_expires_at)


def open_connections(client: Any) -> set[str]:
    """The ids in the connections table."""
    items = client.scan(TableName="connections")["Items"]
    return {name.removeprefix(PREFIX) for item in items for name in item if name.startswith(PREFIX)}


def report_of(body: dict[str, Any]) -> Report:
    """Read Herald's own payload."""
    [report] = webhooks.invoked(body).reports
    return report

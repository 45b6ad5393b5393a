"""Builds the events of a generation from its database row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.protocol import event_writer
from chalicelib.protocol.events import rfc3339
from chalicelib.recording.rows import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from chalicelib.protocol.event_types import ErrorDetail, EventData, Output
    from chalicelib.recording.rows import Generation

# What an event outside the stream leaves out: its generation is still open.
_UNKNOWN: EventData = {
    "prompt": None,
    "status": "PENDING",
    "imageUrl": None,
    "imageHeight": None,
    "imageWidth": None,
    "coreModel": None,
    "createdAt": None,
    "updatedAt": "",
}
NOT_RECORDED: ErrorDetail = {
    "code": "not_recorded",
    "message": "The result could not be recorded yet. It will be retried.",
}


def build(
    generation: Generation,
    *,
    stage: str,
    epoch: str,
    offset: int,
    outputs: Sequence[Output] = (),
    unkept: int = 0,
) -> OutboxRow:
    """Return the event of a recorded result, with its id."""
    data: EventData = {
        "prompt": generation["prompt"],
        "status": generation["status"],
        "imageUrl": generation["image_url"],
        "imageHeight": generation["image_height"],
        "imageWidth": generation["image_width"],
        "coreModel": generation["core_model"],
        "createdAt": rfc3339(generation["created_at"]),
        "updatedAt": rfc3339(generation["updated_at"]),
    }
    if generation["status"] == "ERROR" and (error := generation["error"]) is not None:
        data["error"] = error
    if outputs:
        data["outputs"] = list(outputs)
    if unkept:
        data["outputsNotKept"] = unkept
    generation_id = str(generation["id"])
    event_id = event_writer.event_id(generation_id, generation["version"])
    event = event_writer.envelope(
        data,
        event_id=event_id,
        subject=generation_id,
        stage=stage,
        user_id=generation["user_id"],
    )
    event["epoch"] = epoch
    event["sequence"] = str(offset)
    return OutboxRow(event_id, event_writer.dump(event))


def build_notice(generation_id: str, user_id: str | None, *, stage: str, now: datetime) -> str:
    """Return the notice that a generation's result could not be recorded yet.

    All notices of one generation have the same id. If the owner is unknown, the notice has no
    `userid`. It then reaches the topic's subscribers, but no client.
    """
    data: EventData = {**_UNKNOWN, "status": "ERROR", "updatedAt": rfc3339(now)}
    data["error"] = NOT_RECORDED
    notice = event_writer.envelope(
        data,
        event_id=event_writer.event_id(generation_id, "notice"),
        subject=generation_id,
        stage=stage,
        user_id=user_id,
    )
    return event_writer.dump(notice)


def build_progress(
    generation_id: str,
    user_id: str,
    *,
    stage: str,
    now: datetime,
    fraction: float | None,
    step: str | None,
    preview_url: str | None,
) -> str:
    """Return the event that says how far a running generation is, as JSON text.

    `now` is the database's time at which the report was recorded: the later event is the newer one.
    It also makes the id, so two events of one generation need different times.
    """
    data: EventData = {
        **_UNKNOWN,
        "updatedAt": rfc3339(now),
        "progress": fraction,
        "step": step,
        "previewUrl": preview_url,
    }
    event = event_writer.envelope(
        data,
        event_id=event_writer.event_id(generation_id, f"progress/{now.isoformat()}"),
        subject=generation_id,
        stage=stage,
        user_id=user_id,
    )
    return event_writer.dump_progress(event)

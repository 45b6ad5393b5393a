"""The events of a generation. PostgreSQL writes that of a result; Python builds the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.protocol import event_writer
from chalicelib.protocol.events import MAX_EVENT_BYTES, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from chalicelib.protocol.event_types import ErrorDetail, EventData

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


# The id of the event of a generation's version, as `event_writer.event_id` makes it.
ID = """overlay(overlay(left(encode(sha256(convert_to(id || '/' || version, 'UTF8')), 'hex'), 32)
        PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid"""
# Optional fields of a result's data, by the name of their value.
DETAILS = {
    "error": "%(error)s::json AS error",
    "outputs": "%(outputs)s::json AS outputs",
    "unkept": '%(unkept)s AS "outputsNotKept"',
}
_TIME = """AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"""
# Of a row of `generations`: what the event is built from. No event has room for a longer prompt.
COLUMNS = f"""id, user_id, status, left(prompt, {MAX_EVENT_BYTES}) AS prompt, image_url,
    image_height, image_width, core_model, {ID} AS event_id,
    to_char(created_at {_TIME}) AS created, to_char(updated_at {_TIME}) AS updated"""


def select(details: Sequence[str]) -> str:
    """Return the SELECT whose row is a result's event, with the given DETAILS.

    It reads the COLUMNS of the generation from `ended`, and the event's position from `place`. Its
    own columns are the fields of the event: row_to_json keeps their order and adds no white space.
    """
    fields = "".join(f", {DETAILS[name]}" for name in details)
    return f"""
        SELECT '1.0' AS specversion, event_id AS id, %(source)s AS source, %(type)s AS type,
            id AS subject, updated AS time, 'application/json' AS datacontenttype,
            (SELECT data FROM (
                SELECT prompt, status, image_url AS "imageUrl", image_height AS "imageHeight",
                    image_width AS "imageWidth", core_model AS "coreModel",
                    created AS "createdAt", updated AS "updatedAt"{fields}
            ) AS data) AS data,
            user_id AS userid, epoch, last_offset::text AS sequence
        FROM ended, place
        """


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

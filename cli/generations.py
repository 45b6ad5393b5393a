"""Cancels one generation, and collects what is known about it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.aws import reconcile_events
from chalicelib.protocol.events import rfc3339
from chalicelib.store.inbox import stream_position
from cli.console import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cli.target import Target

    Step = dict[str, Any]

LOGGED = ("callback", "reconcile", "relay")  # the functions whose logs name generations
_SHOWN = ("outcome", "provider", "error", "rows", "at_provider", "status", "code", "event_id")


def cancel(herald: Target, generation: str) -> dict[str, Any]:
    """Have `reconcile` cancel a generation, and return its answer.

    Raises
    ------
    CommandError
        The function failed.
    """
    answer = herald.client("lambda").invoke(
        FunctionName=f"herald-{herald.output('stage')}-reconcile",
        Payload=reconcile_events.cancel(generation, None),
    )
    found = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer or not isinstance(found, dict):
        raise CommandError("reconcile failed, and nothing was canceled: read its log.")
    return found


def trace(herald: Target, generation: str, seconds: int | None) -> dict[str, Any] | None:
    """Return a generation's steps in the order of time, or None if there is no such row."""
    row, steps = _recorded(herald, generation)
    if row is None:
        return None
    steps += _stored(herald, row["user_id"], steps)
    start = row["created_at"].timestamp() if seconds is None else time.time() - seconds
    steps += _logged(herald, generation, start)
    steps.sort(key=lambda step: step["time"])
    found = {"generation": generation, "user": row["user_id"], "status": row["status"]}
    return {**found, "steps": steps}


def _recorded(herald: Target, generation: str) -> tuple[Mapping[str, Any] | None, list[Step]]:
    """Return the row, and the steps that PostgreSQL knows."""
    import psycopg2
    import psycopg2.extensions
    from psycopg2.extras import RealDictCursor

    from chalicelib.recording import dsn
    from chalicelib.recording.tables import Tables

    database = herald.database()
    tables = Tables(database.schema)
    where = psycopg2.extensions.make_dsn(**dsn.parse(database.dsn))
    connection = psycopg2.connect(where, cursor_factory=RealDictCursor)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {tables.generations} WHERE id = %s", (generation,))
            row: Any = cursor.fetchone()
            cursor.execute(
                f"SELECT id::text, event, created_at, published_at FROM {tables.outbox}"
                " WHERE event->>'subject' = %s ORDER BY created_at",
                (generation,),
            )
            events = cursor.fetchall()
    finally:
        connection.close()
    return row, [*_of_row(row), *_of_outbox(events)] if row else []


def _of_row(row: Mapping[str, Any]) -> Iterator[Step]:
    known = {name: row[name] for name in ("provider", "provider_id") if row[name]}
    yield _step(row["created_at"], "inserted", "PostgreSQL", **known)
    if row["progress_at"]:
        yield _step(row["progress_at"], "progress recorded", "PostgreSQL")
    if row["status"] == "PENDING" and row["next_check_at"]:
        yield _step(row["next_check_at"], "next look-up", "PostgreSQL", done=row["checks"])


def _of_outbox(events: list[Any]) -> Iterator[Step]:
    for found in events:
        event = found["event"]
        data = event["data"]
        details = {"status": data["status"], "offset": int(event["sequence"])}
        if data.get("error"):
            details["code"] = data["error"]["code"]
        details |= {"epoch": event["epoch"], "event_id": found["id"]}
        yield _step(datetime.fromisoformat(event["time"]), "recorded", "PostgreSQL", **details)
        if found["published_at"]:
            yield _step(found["published_at"], "published", "outbox", event_id=found["id"])


def _stored(herald: Target, user: str, steps: list[Step]) -> list[Step]:
    """Return a step for each recorded event that is in the inbox; its time is not stored."""
    client = herald.client("dynamodb")
    found = []
    for step in [step for step in steps if step["step"] == "recorded"]:
        details = step["details"]
        key = {"user_id": user, "position": stream_position(details["epoch"], details["offset"])}
        answer = client.get_item(
            TableName=herald.output("inbox_table"),
            Key={name: {"S": value} for name, value in key.items()},
        )
        if "Item" in answer:
            where = {"offset": details["offset"], "since": "recorded"}
            found.append({**step, "step": "stored", "where": "inbox", "details": where})
    return found


def _logged(herald: Target, generation: str, start: float) -> list[Step]:
    """Return a step for each line of the functions' logs that names the generation."""
    client = herald.client("logs")
    found: list[Step] = []
    for function in LOGGED:
        group = f"/aws/lambda/herald-{herald.output('stage')}-{function}"
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(start * 1000), filterPattern=f'"{generation}"'
        )
        try:
            for page in pages:
                for event in page["events"]:
                    found += _of_line(function, event, generation)
        except client.exceptions.ResourceNotFoundException:
            continue  # the function has not run yet
    return found


def _of_line(function: str, event: Mapping[str, Any], generation: str) -> Iterator[Step]:
    try:
        line = json.loads(event["message"])
    except ValueError:
        return
    if isinstance(line, dict) and line.get("generation_id") == generation and "message" in line:
        moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        details = {name: line[name] for name in _SHOWN if line.get(name) is not None}
        yield _step(moment, line["message"], f"log of {function}", **details)


def _step(moment: datetime, step: str, where: str, **details: object) -> Step:
    return {"time": rfc3339(moment), "step": step, "where": where, "details": details}

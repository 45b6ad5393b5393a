"""A typical implementation of `callback` and `relay`, with pydantic, psycopg2, boto3 and
standardwebhooks.

It has Herald's guarantees: one result for each generation, contiguous offsets, an outbox in the
same transaction, limits on every transaction, and progress at most once a second.
"""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal
from uuid import UUID, uuid5

import boto3
import psycopg2
from psycopg2.extras import RealDictCursor
from pydantic import BaseModel, HttpUrl
from standardwebhooks import Webhook

NAMESPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
secrets = boto3.client("secretsmanager")
sns = boto3.client("sns")


class Error(BaseModel):
    code: str
    message: str


class Report(BaseModel):
    generationId: UUID  # noqa: N815 - the payload's name
    status: Literal["PENDING", "COMPLETE", "ERROR"]
    imageUrl: HttpUrl | None = None  # noqa: N815
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815
    coreModel: str | None = None  # noqa: N815
    error: Error | None = None
    progress: float | None = None
    step: str | None = None


class Data(BaseModel):
    prompt: str | None
    status: str
    imageUrl: str | None  # noqa: N815
    imageHeight: int | None  # noqa: N815
    imageWidth: int | None  # noqa: N815
    coreModel: str | None  # noqa: N815
    createdAt: datetime | None  # noqa: N815
    updatedAt: datetime  # noqa: N815
    error: Error | None = None
    progress: float | None = None
    step: str | None = None


class Event(BaseModel):
    specversion: str = "1.0"
    id: str
    type: str
    subject: str
    time: datetime
    userid: str
    epoch: str | None = None
    sequence: str | None = None
    data: Data


@cache
def secret(name: str) -> str:
    return str(secrets.get_secret_value(SecretId=os.environ[name])["SecretString"])


@cache
def database() -> Any:
    return psycopg2.connect(secret("HERALD_DATABASE_SECRET_ARN"), cursor_factory=RealDictCursor)


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    body, headers = event["body"], event["headers"]
    Webhook(secret("HERALD_WEBHOOK_SECRET_ARN")).verify(body, headers)
    report = Report.model_validate_json(body)
    with database() as connection, connection.cursor() as cursor:
        limit(cursor)
        if report.status == "PENDING":
            found = keep_progress(cursor, report, headers["webhook-id"])
        else:
            found = record(cursor, report, headers["webhook-id"])
    if found is None:
        return {"statusCode": 200, "body": '{"outcome": "unchanged"}'}
    publish(found)
    if found.sequence is not None:
        with database() as connection, connection.cursor() as cursor:
            limit(cursor)
            mark(cursor, [found.id])
    return {"statusCode": 200, "body": json.dumps({"outcome": "recorded", "eventId": found.id})}


def limit(cursor: Any) -> None:
    cursor.execute("SET LOCAL statement_timeout = 5000")
    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 15000")


def receive(cursor: Any, delivery: str) -> bool:
    """Store a delivery's id; return whether it is new."""
    cursor.execute(
        "INSERT INTO herald.webhook_receipts (id) VALUES (%s) ON CONFLICT DO NOTHING", (delivery,)
    )
    return bool(cursor.rowcount)


def record(cursor: Any, report: Report, delivery: str) -> Event | None:
    cursor.execute(
        "SELECT status FROM herald.generations WHERE id = %s FOR UPDATE",
        (str(report.generationId),),
    )
    row = cursor.fetchone()
    if row is None or row["status"] != "PENDING" or not receive(cursor, delivery):
        return None
    cursor.execute(
        """
        UPDATE herald.generations
        SET status = %s, image_url = %s, image_height = %s, image_width = %s, core_model = %s,
            error = %s, version = version + 1, updated_at = clock_timestamp()
        WHERE id = %s RETURNING *
        """,
        (
            report.status,
            str(report.imageUrl) if report.imageUrl else None,
            report.imageHeight,
            report.imageWidth,
            report.coreModel,
            report.error.model_dump_json() if report.error else None,
            str(report.generationId),
        ),
    )
    row = cursor.fetchone()
    cursor.execute(
        """
        INSERT INTO herald.streams AS stream (user_id, last_offset) VALUES (%s, 1)
        ON CONFLICT (user_id) DO UPDATE SET last_offset = stream.last_offset + 1
        RETURNING epoch, last_offset
        """,
        (row["user_id"],),
    )
    place = cursor.fetchone()
    event = built(row, "complete", row["version"])
    event.epoch, event.sequence = str(place["epoch"]), str(place["last_offset"])
    cursor.execute(
        "INSERT INTO herald.outbox (id, event) VALUES (%s, %s)",
        (event.id, event.model_dump_json(exclude_none=True)),
    )
    return event


def keep_progress(cursor: Any, report: Report, delivery: str) -> Event | None:
    cursor.execute(
        "SELECT *, progress_at > clock_timestamp() - interval '1 second' AS recent"
        " FROM herald.generations WHERE id = %s FOR UPDATE",
        (str(report.generationId),),
    )
    row = cursor.fetchone()
    if row is None or row["status"] != "PENDING" or row["recent"] or not receive(cursor, delivery):
        return None
    cursor.execute(
        "UPDATE herald.generations SET progress = %s, progress_at = clock_timestamp()"
        " WHERE id = %s RETURNING progress_at",
        (
            json.dumps({"progress": report.progress, "step": report.step}),
            str(report.generationId),
        ),
    )
    event = built(row, "progress", cursor.fetchone()["progress_at"])
    event.data.progress, event.data.step = report.progress, report.step
    return event


def built(row: Any, kind: str, version: object) -> Event:
    return Event(
        id=str(uuid5(NAMESPACE, f"{row['id']}/{version}")),
        type=f"herald.generation.{kind}",
        subject=str(row["id"]),
        time=datetime.now(UTC),
        userid=row["user_id"],
        data=Data(
            prompt=row["prompt"],
            status=row["status"],
            imageUrl=row["image_url"],
            imageHeight=row["image_height"],
            imageWidth=row["image_width"],
            coreModel=row["core_model"],
            createdAt=row["created_at"],
            updatedAt=row["updated_at"],
            error=row["error"],
        ),
    )


def publish(event: Event) -> None:
    sns.publish(
        TopicArn=os.environ["HERALD_TOPIC_ARN"],
        Message=event.model_dump_json(exclude_none=True),
        MessageAttributes={
            "type": {"DataType": "String", "StringValue": event.type},
            "status": {"DataType": "String", "StringValue": event.data.status},
        },
    )


def mark(cursor: Any, ids: list[str]) -> None:
    cursor.execute(
        "UPDATE herald.outbox SET published_at = now() WHERE id = ANY(%s::uuid[])", (ids,)
    )


def relay(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with database() as connection, connection.cursor() as cursor:
        limit(cursor)
        cursor.execute(
            "SELECT id::text, event::text FROM herald.outbox WHERE published_at IS NULL"
            " AND created_at < now() - interval '20 seconds'"
            " ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED"
        )
        rows = cursor.fetchall()
        if rows:
            sns.publish_batch(
                TopicArn=os.environ["HERALD_TOPIC_ARN"],
                PublishBatchRequestEntries=[
                    {"Id": row["id"], "Message": row["event"]} for row in rows
                ],
            )
            mark(cursor, [row["id"] for row in rows])
    return {"relayed": len(rows)}

"""A typical implementation of `deliver`, with pydantic, boto3 resources and a loop.

It does the same work as Herald's `deliver`.

It handles the messages one after the other: it validates and stores the event, updates the head,
reads the user's connections and posts the frame. A message that fails does not affect the others.
"""

import os
import time
from datetime import datetime
from typing import Any, Literal

import boto3
from pydantic import BaseModel, HttpUrl

dynamodb = boto3.resource("dynamodb")
inbox = dynamodb.Table(os.environ["HERALD_INBOX_TABLE"])
connections = dynamodb.Table(os.environ["HERALD_CONNECTIONS_TABLE"])
management = boto3.client(
    "apigatewaymanagementapi", endpoint_url=os.environ["HERALD_MANAGEMENT_ENDPOINT"]
)


class Generation(BaseModel):
    prompt: str
    status: Literal["PENDING", "COMPLETE", "ERROR"]
    imageUrl: HttpUrl  # noqa: N815 - the schema's name
    imageHeight: int  # noqa: N815
    imageWidth: int  # noqa: N815
    coreModel: str  # noqa: N815
    createdAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class Event(BaseModel):
    id: str
    userid: str
    epoch: str
    sequence: int
    time: datetime
    data: Generation


class Frame(BaseModel):
    type: str = "event"
    epoch: str
    offset: int
    replayed: bool = False
    event: Event


def handle(batch: dict[str, Any], context: Any) -> dict[str, Any]:
    failures = []
    for record in batch["Records"]:
        try:
            deliver(Event.model_validate_json(record["body"]))
        except Exception:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def deliver(event: Event) -> None:
    now = int(time.time())
    inbox.put_item(
        Item={
            "user_id": event.userid,
            "position": f"{event.epoch}/{event.sequence:016d}",
            "event": event.model_dump_json(),
            "expires_at": now + 7 * 86_400,
        }
    )
    inbox.put_item(
        Item={
            "user_id": event.userid,
            "position": f"head/{event.epoch}/{event.sequence:016d}",
            "expires_at": now + 407 * 86_400,
        }
    )
    found = connections.get_item(Key={"user_id": event.userid}, ConsistentRead=True)["Item"]
    frame = Frame(epoch=event.epoch, offset=event.sequence, event=event).model_dump_json()
    for name in [name for name in found if name.startswith("connection ")]:
        try:
            management.post_to_connection(
                ConnectionId=name.removeprefix("connection "), Data=frame.encode()
            )
        except management.exceptions.GoneException:
            connections.update_item(
                Key={"user_id": event.userid},
                UpdateExpression="REMOVE #connection",
                ExpressionAttributeNames={"#connection": name},
            )

"""Erasing what Herald stores about a user: rows, outputs, API keys, sessions and the inbox."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.aws.dynamodb import BATCH_WRITE_ITEMS, to_item
from chalicelib.errors import DatabaseError
from chalicelib.recording.database import Database
from chalicelib.recording.erasing import Rows, erase
from cli import api_keys, kept_outputs, sessions
from cli.console import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.aws.dynamodb import Item
    from cli.target import DatabaseTarget, Target

_SECONDS = 3600.0  # for the transaction: the tables may be large


class Erased(NamedTuple):
    """How much was erased, and how the user's sessions were revoked."""

    rows: Rows
    outputs: int
    api_keys: int
    sessions: sessions.Revocation
    inbox: int


def forget(herald: Target, user_id: str) -> Erased:
    """Erase a user. It is safe to erase a user again.

    The rows are erased first, in one transaction, so that nothing new is published. If this
    transaction fails, nothing is erased. The inbox is erased last, when none of the user's clients
    is connected any more.

    Raises
    ------
    CommandError
        The rows cannot be erased.
    """
    outputs = {
        name: herald.output(f"{name}_table") for name in ("api_keys", "connections", "inbox")
    }
    dynamodb, gateway = herald.client("dynamodb"), herald.connections_client()
    owned = _generations(herald, user_id)
    rows = _erase_rows(herald.database(), user_id)
    copies = kept_outputs.erase(herald, user_id, owned)
    keys = api_keys.revoke_all(dynamodb, outputs["api_keys"], user_id)
    revoked = sessions.revoke(dynamodb, gateway, outputs["connections"], user_id)
    return Erased(rows, copies, keys, revoked, erase_inbox(dynamodb, outputs["inbox"], user_id))


def _generations(herald: Target, user_id: str) -> list[str]:
    if not herald.known("outputs_table"):
        return []
    try:
        return kept_outputs.generations(herald.database(), user_id)
    except DatabaseError as exc:
        raise CommandError(f"Nothing was erased: the database failed: {exc}") from exc


def _erase_rows(where: DatabaseTarget, user_id: str) -> Rows:
    from tooling.migrations import place

    database = Database(lambda: where.dsn, schema=where.schema)
    try:
        return database.run(
            lambda cursor: erase(cursor, user_id),
            deadline=time.monotonic() + _SECONDS,
            seconds=_SECONDS,
        )
    except DatabaseError as exc:
        raise CommandError(
            f"Nothing was erased: the database at {place(where.dsn)} failed: {exc}\n"
            "A role that may not delete generations cannot do this: set HERALD_DATABASE_URL to the"
            " DSN of the tables' owner."
        ) from exc
    finally:
        database.close()


def erase_inbox(client: Any, table: str, user_id: str) -> int:
    """Delete all items of a user's inbox; return how many there were."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="user_id = :user",
        ExpressionAttributeNames={"#position": "position"},
        ExpressionAttributeValues=to_item({":user": user_id}),
        ProjectionExpression="user_id, #position",
        ConsistentRead=True,
    )
    keys: list[Item] = [item for page in pages for item in page["Items"]]
    for first in range(0, len(keys), BATCH_WRITE_ITEMS):
        _delete(client, table, keys[first : first + BATCH_WRITE_ITEMS])
    return len(keys)


def _delete(client: Any, table: str, keys: Sequence[Item]) -> None:
    left = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
    while left:
        left = client.batch_write_item(RequestItems=left).get("UnprocessedItems")

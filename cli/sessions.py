"""Revoking a user's sessions: first write the mark, then close the connections.

The mark replaces the user's item, and the same request returns the connections that were in it. A
connection that is being opened at that moment is therefore either returned and then closed, or
refused because of the mark.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.protocol import server_frames
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.store.connections import connections_in
from chalicelib.store.revocation import mark
from cli.console import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

_GONE = "GoneException"


class Revocation(NamedTuple):
    """When a user's sessions were revoked, in epoch seconds, and how many connections were closed.

    `left_open` are the ids of the connections that API Gateway did not close.
    """

    revoked_at: int
    closed: int
    left_open: list[str]


def check_user(user_id: str) -> None:
    """Raise CommandError if the text cannot be a user id."""
    if not 0 < len(user_id) <= MAX_USER_CHARACTERS:
        raise CommandError(f"A user id has 1 to {MAX_USER_CHARACTERS} characters.")


def revoke(dynamodb: Any, gateway: Any, table: str, user_id: str) -> Revocation:
    """Revoke the tokens that a user has now, and close the user's connections."""
    now = int(time.time())
    answer = dynamodb.put_item(TableName=table, Item=mark(user_id, now), ReturnValues="ALL_OLD")
    found = connections_in(answer.get("Attributes", {}))
    left_open = _close(gateway, [connection.connection_id for connection in found])
    return Revocation(now, len(found) - len(left_open), left_open)


def _close(gateway: Any, connection_ids: Iterable[str]) -> list[str]:
    """Send `close` and close each connection; return the ids of those that are still open."""
    frame = server_frames.close(server_frames.REVOKED).encode()
    left_open = []
    for connection_id in connection_ids:
        with suppress(ClientError):  # it is closed even if the `close` frame cannot be sent
            gateway.post_to_connection(ConnectionId=connection_id, Data=frame)
        try:
            gateway.delete_connection(ConnectionId=connection_id)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != _GONE:
                left_open.append(connection_id)
    return left_open

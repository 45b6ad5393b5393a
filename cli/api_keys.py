"""API keys for clients that are not browsers: `make api-key ARGS="create|list|revoke"`."""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.aws.dynamodb import from_item, to_item
from chalicelib.protocol.events import MAX_USER_CHARACTERS
from chalicelib.store.connections import NEVER
from cli import target
from cli.commands import DONE, PARTLY, CommandError, duration, note, run

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """\
API keys let clients that are not browsers connect with `x-api-key: hk_<id>_<secret>`. The table
keeps the SHA-256 only: a key is shown once, when it is made."""

_EXAMPLES = """\
examples:
  make api-key ARGS="create --user alice --expires-in 90d --label 'nightly export'"
  make api-key ARGS="revoke 3f2a9c1b5d7e8a04" STAGE=prod

exit codes: 0 done; 1 no such key; 2 it failed"""


class Key(NamedTuple):
    """A key as the table keeps it; times in epoch seconds, `expires_at` NEVER for no end."""

    key_id: str
    user_id: str
    label: str
    created_at: int
    expires_at: int


def new_key() -> tuple[str, str]:
    """Return the id and the whole of a new key: 64 and 256 random bits, in hex."""
    key_id = secrets.token_hex(8)
    return key_id, f"hk_{key_id}_{secrets.token_hex(32)}"


def create(
    client: Any, table: str, user_id: str, *, label: str = "", expires_at: int = NEVER
) -> tuple[Key, str]:
    """Store a new key for a user and return it with its text."""
    if not 0 < len(user_id) <= MAX_USER_CHARACTERS:
        raise CommandError(f"A user's id has 1 to {MAX_USER_CHARACTERS} characters.")
    key_id, text = new_key()
    key = Key(key_id, user_id, label, int(time.time()), expires_at)
    values = {name: value for name, value in key._asdict().items() if value not in ("", NEVER)}
    values["key_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    client.put_item(
        TableName=table, Item=to_item(values), ConditionExpression="attribute_not_exists(key_id)"
    )
    return key, text


def find(client: Any, table: str, user_id: str | None = None) -> list[Key]:
    """Return all keys, or one user's, the oldest first."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    found = [_key(from_item(item)) for page in pages for item in page["Items"]]
    wanted = [key for key in found if user_id is None or key.user_id == user_id]
    return sorted(wanted, key=lambda key: (key.created_at, key.key_id))


def revoke(client: Any, table: str, key_id: str) -> bool:
    """Delete a key; return whether there was one."""
    try:
        client.delete_item(
            TableName=table,
            Key=to_item({"key_id": key_id}),
            ConditionExpression="attribute_exists(key_id)",
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _key(values: dict[str, Any]) -> Key:
    return Key(
        values["key_id"],
        values.get("user_id", ""),
        values.get("label", ""),
        values.get("created_at", 0),
        values.get("expires_at", NEVER),
    )


def _show(keys: Sequence[Key]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "user", "label", "created", "ends"):
        table.add_column(column, overflow="fold")
    for key in keys:
        ends = "never" if key.expires_at == NEVER else _date(key.expires_at)
        if key.expires_at != NEVER and key.expires_at <= time.time():
            ends += " (has ended)"
        table.add_row(
            key.key_id, escape(key.user_id), escape(key.label), _date(key.created_at), ends
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    shared = argparse.ArgumentParser(add_help=False)
    target.add_arguments(shared)
    root = argparse.ArgumentParser(
        prog="python -m cli.api_keys",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="command")
    made = commands.add_parser("create", help="make a key and print it, once", parents=[shared])
    made.add_argument("--user", required=True, metavar="ID", help="whose events it lets read")
    made.add_argument("--label", default="", help="what it is for")
    made.add_argument(
        "--expires-in", type=duration, metavar="TIME", help="90d, 12h, …; default: never"
    )
    listed = commands.add_parser("list", help="show the keys, not their secrets", parents=[shared])
    listed.add_argument("--user", metavar="ID", help="only this user's")
    revoked = commands.add_parser("revoke", help="take a key back", parents=[shared])
    revoked.add_argument("key_id", metavar="ID", help="the part between hk_ and the second _")
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`; return the exit code."""
    arguments = parser().parse_args(words)
    herald = target.choose(arguments)
    note(f"API keys of the {herald.title}")
    client, table = herald.client("dynamodb"), herald.output("api_keys_table")
    if arguments.command == "list":
        _show(find(client, table, arguments.user))
        return DONE
    if arguments.command == "revoke":
        if not revoke(client, table, arguments.key_id):
            note(f"There is no key {arguments.key_id}.")
            return PARTLY
        print(f"Revoked {arguments.key_id}: nobody connects with it any more.")
        note("Connections that it opened last until they end, two hours at most.")
        return DONE
    ends = NEVER if arguments.expires_in is None else int(time.time()) + arguments.expires_in
    key, text = create(client, table, arguments.user, label=arguments.label, expires_at=ends)
    note(f"Key {key.key_id} for {key.user_id}. It is shown this once:")
    print(text)
    return DONE


if __name__ == "__main__":
    sys.exit(run(main))

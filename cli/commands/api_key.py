"""`./herald api-key create|list|revoke`: manages API keys for clients that are not browsers."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import target
from cli.console import DONE, PARTLY, add_row, note, print_json, say, tables
from cli.declare import command
from cli.options import Json, Which, duration

if TYPE_CHECKING:
    from cli.api_keys import Key

HELP = """\
API keys, for clients that are not browsers. A client sends `x-api-key: hk_ID_SECRET`."""


@command("""
./herald api-key create --user alice
./herald api-key create --user alice --expires-in 90d --label 'nightly export' --stage prod
""")
def create(
    which: Which,
    user: Annotated[str, typer.Option(metavar="ID", help="The user whose events it can read.")],
    label: Annotated[str, typer.Option(metavar="TEXT", help="The purpose of the key.")] = "",
    expires_in: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Lifetime, such as 12h or 90d (default: no expiry).",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Create a key and print it. It cannot be shown again, because Herald stores only its SHA-256.

    --json prints {"id", "user", "label", "createdAt", "expiresAt", "key"}; times are in epoch
    seconds, expiresAt is null for a key that never expires.
    """
    from chalicelib.store.connections import NEVER
    from cli import api_keys

    client, table = _table(which)
    expires_at = NEVER if expires_in is None else int(time.time()) + expires_in
    key, text = api_keys.create(client, table, user, label=label, expires_at=expires_at)
    if json:
        print_json({**_public(key), "key": text})
        return DONE
    note(f"Key {key.key_id} for {key.user_id}. It is not shown again:")
    say(text)
    return DONE


@command("""
./herald api-key list
./herald api-key list --user alice --json | jq -r '.keys[].id'
""")
def list_keys(
    which: Which,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the keys of this user.")
    ] = None,
    json: Json = False,
) -> int:
    """Show the keys, without their secrets.

    --json prints {"keys": an array of {"id", "user", "label", "createdAt", "expiresAt"}}.
    """
    from cli import api_keys

    client, table = _table(which)
    keys = api_keys.find(client, table, user)
    if json:
        print_json({"keys": [_public(key) for key in keys]})
    else:
        _show(keys)
    return DONE


@command("./herald api-key revoke 3f2a9c1b5d7e8a04 --stage prod")
def revoke(
    which: Which,
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The part between hk_ and the second underscore.")
    ],
    json: Json = False,
) -> int:
    """Revoke a key, so that no client can connect with it any more.

    Connections that were opened with it stay open until they are renewed, at most two hours.

    Exit codes: 0 revoked; 1 there is no such key; 2 the command failed. --json prints {"id",
    "revoked"}.
    """
    from cli import api_keys

    client, table = _table(which)
    revoked = api_keys.revoke(client, table, key_id)
    if json:
        print_json({"id": key_id, "revoked": revoked})
    elif revoked:
        say(f"Revoked {key_id}: nobody can connect with it any more.")
        note("Connections opened with this key stay open for up to two hours.")
    else:
        note(f"There is no key {key_id}.")
    return DONE if revoked else PARTLY


def _table(which: Which) -> tuple[Any, str]:
    herald = target.choose(which)
    note(f"API keys of the {herald.title}")
    return herald.client("dynamodb"), herald.output("api_keys_table")


def _public(key: "Key") -> dict[str, Any]:
    from chalicelib.store.connections import NEVER

    return {
        "id": key.key_id,
        "user": key.user_id,
        "label": key.label,
        "createdAt": key.created_at,
        "expiresAt": None if key.expires_at == NEVER else key.expires_at,
    }


def _show(keys: "list[Key]") -> None:
    from rich.table import Table

    from chalicelib.store.connections import NEVER

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "user", "label", "created", "expires"):
        table.add_column(column, overflow="fold")
    for key in keys:
        expires = "never" if key.expires_at == NEVER else _date(key.expires_at)
        if key.expires_at != NEVER and key.expires_at <= time.time():
            expires += " (expired)"
        add_row(table, key.key_id, key.user_id, key.label, _date(key.created_at), expires)
    tables().print(table)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")

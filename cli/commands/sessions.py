"""`./herald sessions revoke`: ends a user's sessions."""

from typing import Annotated

import typer

from cli import target
from cli.console import DONE, PARTLY, note, print_json, say
from cli.declare import command
from cli.options import Json, Which

HELP = """\
A user's sessions: open connections, and the credentials that open them."""


@command("""
./herald sessions revoke --user alice
./herald sessions revoke --user alice --api-keys --stage prod
""")
def revoke(
    which: Which,
    user: Annotated[str, typer.Option(metavar="ID", help="Revoke this user's sessions.")],
    api_keys: Annotated[
        bool, typer.Option("--api-keys", help="Revoke the user's API keys, too.")
    ] = False,
    json: Json = False,
) -> int:
    """Close a user's connections, and refuse the tokens that were issued until now.

    Herald then also refuses the user's tokens without `iat`. It accepts tokens that are issued in
    the next second or later. To keep the user out, stop issuing tokens to the user. API keys stay
    valid unless --api-keys is given. Connections opened with API keys are closed, too, but clients
    can open them again with a valid key.

    Exit codes: 0 done; 1 a connection could not be closed: it receives no more events, and is
    closed when its client requests events; 2 the command failed.

    --json prints {"user", "revokedAt", "closed", "leftOpen", "keysRevoked", "keysLeft"}:
    "revokedAt" is in epoch seconds, "closed" and "keysRevoked" are counts, "leftOpen" and
    "keysLeft" are the ids of the connections still open and of the keys still valid.
    """
    from cli import api_keys as keys
    from cli import sessions

    sessions.check_user(user)
    herald = target.choose(which)
    note(f"Sessions of the {herald.title}")
    dynamodb, gateway = herald.client("dynamodb"), herald.connections_client()
    keys_table, table = herald.output("api_keys_table"), herald.output("connections_table")
    # The keys are revoked first. A key counts as issued when the authorizer finds it. If it found a
    # key before the deletion, that time is before the mark, so the connection is refused.
    revoked = keys.revoke_all(dynamodb, keys_table, user) if api_keys else 0
    ended = sessions.revoke(dynamodb, gateway, table, user)
    left = [key.key_id for key in keys.find(dynamodb, keys_table, user)]
    if json:
        print_json(
            {
                "user": user,
                "revokedAt": ended.revoked_at,
                "closed": ended.closed,
                "leftOpen": ended.left_open,
                "keysRevoked": revoked,
                "keysLeft": left,
            }
        )
    else:
        say(f"Connections closed: {ended.closed}. API keys revoked: {revoked}.")
        if left:
            note(f"API keys that stay valid: {', '.join(left)}. To revoke them, use --api-keys.")
    for connection_id in ended.left_open:
        note(f"Connection {connection_id} could not be closed. It receives no more events.")
    return PARTLY if ended.left_open else DONE

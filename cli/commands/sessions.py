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
    user: Annotated[str, typer.Option(metavar="ID", help="Whose sessions to end.")],
    api_keys: Annotated[
        bool, typer.Option("--api-keys", help="Revoke the user's API keys, too.")
    ] = False,
    json: Json = False,
) -> int:
    """Close a user's connections, and refuse the tokens that were issued until now.

    Also refused are tokens that do not say when they were issued. A token issued from the next
    second on is accepted: to keep the user out, the issuer must not issue any. API keys stay valid
    unless --api-keys is given; their connections are closed, too, and may be opened again.

    Exit codes: 0 done; 1 a connection could not be closed: it receives no more events, and is
    closed when its client asks for any; 2 it failed.

    --json prints {"user", "revokedAt", "closed", "leftOpen", "keysRevoked", "keysLeft"}: epoch
    seconds, counts, and the ids of the connections and keys that are left.
    """
    from cli import api_keys as keys
    from cli import sessions

    sessions.check_user(user)
    herald = target.choose(which)
    note(f"Sessions of the {herald.title}")
    dynamodb, gateway = herald.client("dynamodb"), herald.connections_client()
    keys_table, table = herald.output("api_keys_table"), herald.output("connections_table")
    # A key that is found before it is deleted counts as issued then: before the mark.
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
            note(f"API keys that stay valid: {', '.join(left)}. To revoke them: --api-keys.")
    for connection_id in ended.left_open:
        note(f"Connection {connection_id} could not be closed. It receives no more events.")
    return PARTLY if ended.left_open else DONE

"""`./herald forget`: erases a user."""

from typing import Annotated

import typer

from cli import target
from cli.console import DONE, PARTLY, confirmed, note, print_json, say
from cli.declare import command
from cli.options import Json, Which, Yes


@command("""
./herald forget --user alice
HERALD_DATABASE_URL=postgresql://owner@host:5432/name ./herald forget --user alice --stage prod
""")
def forget(
    which: Which,
    user: Annotated[str, typer.Option(metavar="ID", help="The user to erase.")],
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Erase a user: generations, outputs, stream, outbox, inbox, connections and API keys.

    The user's sessions are revoked. The revocation mark remains, with the user's id, so that no old
    token opens a connection. The database role must be allowed to delete generations. Events that
    are still in a queue are stored when they arrive. Therefore run the command again after some
    minutes, and purge the user's dead letters (`./herald dlq purge --user`). Logs and backups
    expire; docs/security.md lists how long everything is kept.

    Exit codes: 0 erased; 1 you answered no, or a connection could not be closed; 2 the command
    failed.

    --json prints {"user", "generations", "outbox", "streams", "outputs", "inbox", "connections",
    "apiKeys"}: the number of erased items of each kind.
    """
    from cli import erasure, sessions

    sessions.check_user(user)
    herald = target.choose(which)
    question = f"Permanently erase everything that the {herald.title} stores about user {user}?"
    if not confirmed(question, yes=yes):
        note("Nothing was erased.")
        return PARTLY
    erased = erasure.forget(herald, user)
    counts = {
        **erased.rows._asdict(),
        "outputs": erased.outputs,
        "inbox": erased.inbox,
        "connections": erased.sessions.closed,
        "apiKeys": erased.api_keys,
    }
    if json:
        print_json({"user": user, **counts})
    else:
        say("Erased: " + ", ".join(f"{name} {count}" for name, count in counts.items()) + ".")
    for connection_id in erased.sessions.left_open:
        note(f"Connection {connection_id} could not be closed. It receives no more events.")
    return PARTLY if erased.sessions.left_open else DONE

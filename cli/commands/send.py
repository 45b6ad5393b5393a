"""`./herald send`: a generation's result to a user, the whole way."""

from typing import Annotated

import typer

from cli import target
from cli.commands.simulate import State, deliver
from cli.declare import command
from cli.options import Json, Which


@command("""
./herald send alice
./herald send alice --url https://images.example.com/cat.png
./herald send alice --state failed --stage dev
""")
def send(
    which: Which,
    user: Annotated[str, typer.Argument(help="The user's id.")],
    state: Annotated[State, typer.Option(help="The state to report.")] = "succeeded",
    url: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="An output; may be repeated.")
    ] = None,
    progress: Annotated[
        float, typer.Option(min=0, max=1, help="The progress of a running generation, from 0 to 1.")
    ] = 0.5,
    json: Json = False,
) -> int:
    """Insert a generation for a user, and report its result as your own generator would.

    The signed webhook goes the same way as any other: through `callback`, the database and the
    queue to the user's clients. `./herald tail USER` shows what arrives. The row stays in the
    database. `./herald simulate` imitates the webhooks of other providers.

    Exit codes: 0 the webhook was accepted; 1 it was refused; 2 nothing was sent.

    --json prints {"generation", "url", "status", "body"}, as `./herald simulate`.
    """
    herald = target.choose(which)
    return deliver(herald, "generations", None, user, state, tuple(url or ()), progress, json=json)

"""`./herald tail`: the events of a user, as they arrive."""

from typing import Annotated

import typer

from cli import target
from cli.console import DONE, PARTLY, interruptible, note, say
from cli.declare import command
from cli.options import Json, Which, duration


@command("""
./herald tail alice
./herald tail alice --from-start --json
./herald tail alice --count 1 --timeout 30s --stage dev
""")
def tail(
    which: Which,
    user: Annotated[str, typer.Argument(help="The user's id.")],
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest event that is stored.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Exit after N results.", show_default=False),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Exit if no result arrives within this time.",
            show_default=False,
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(metavar="JWT", help="Connect with this token.", envvar="HERALD_TOKEN"),
    ] = "",
    json: Json = False,
) -> int:
    """Connect as a user's client, and print each event when it arrives.

    The command opens one more connection for the user, with the Python client. It reconnects when
    necessary, requests missed events, and shows each result once. It connects with the token in
    --token, or else with a token like those that `./herald token` prints.

    Exit codes: 0 after --count results, or Ctrl-C; 1 nothing arrived within --timeout, or Herald
    closed the connection for good; 2 there is no token.

    --json prints one line for each event: the CloudEvent, as it was received.
    """
    from cli.tail import Tail

    connection = Tail(target.choose(which), user, token, from_start=from_start, json=json)
    with interruptible():
        try:
            note(f"Waiting for events of {user} … (Ctrl-C ends this)")
            for number, line in enumerate(connection.lines(timeout), 1):
                say(line)
                if number == count:
                    return DONE
        except KeyboardInterrupt:
            return DONE
    note(connection.ending)
    return PARTLY

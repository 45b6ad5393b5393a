"""`./herald logs`: what a function logs."""

import json as jsonlib
import time
from typing import Annotated

import typer

from cli import target
from cli.console import DONE, say
from cli.declare import command
from cli.options import Json, Which, duration


@command("""
./herald logs callback
./herald logs deliver --follow
./herald logs authorize --since 2h --stage prod --json
""")
def logs(
    which: Which,
    function: Annotated[str, typer.Argument(help="callback, deliver, authorize, message …")],
    since: Annotated[
        int,
        typer.Option(
            parser=duration, metavar="TIME", help="How far back to read, such as 10m or 2h."
        ),
    ] = "10m",  # type: ignore[assignment]  # Typer parses it
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> int:
    """Print the log lines of a function.

    `python -m local logs` prints the logs of the local stack's servers (the emulator and the
    studio) and of Terraform.

    Exit codes: 0 printed; 2 there is no such function.

    --json prints one JSON object for each line.
    """
    from cli.function_logs import FunctionLog

    log = FunctionLog(target.choose(which), function)
    start = time.time() - since
    try:
        for line in log.follow(start) if follow else log.since(start):
            say(jsonlib.dumps(line.public()) if json else line)
    except KeyboardInterrupt:
        return DONE
    return DONE

"""`./herald smoke`: sends one synthetic generation through a deployed Herald."""

from typing import Annotated

import typer

from cli import target
from cli.console import DONE, PARTLY, interruptible, note, print_json, say
from cli.declare import command
from cli.options import Json, Which, duration


@command("""
./herald smoke --stage prod
./herald smoke --stage prod --timeout 30s --json
""")
def smoke(
    which: Which,
    timeout: Annotated[
        int,
        typer.Option(parser=duration, metavar="TIME", help="Time limit of each step."),
    ] = "60s",  # type: ignore[assignment]  # Typer parses it
    json: Json = False,
) -> int:
    """Send one synthetic generation to a WebSocket client, then remove every trace.

    The command inserts a generation for a synthetic user, issues a temporary API key, connects with
    the key, sends a signed webhook as a provider does, and waits for the event. It uses the
    database in HERALD_DATABASE_URL, or else the database in the stage's secret.

    Exit codes: 0 the event arrived, and every trace was removed; 1 a step failed, or a trace could
    not be removed; 2 the test did not start; 130 interrupted, and every trace was removed.

    --json prints {"passed", "steps", "failed", "error", "left"}: "steps" is the duration of each
    completed step in milliseconds, "failed" the step that failed or null, "left" the traces that
    could not be removed.
    """
    from cli.smoke import run

    herald = target.choose(which)
    database = herald.database()
    note(f"Smoke test of the {herald.title}:")
    with interruptible():
        result = run.run(herald, database, patience=float(timeout))
    if json:
        print_json(result.public())
    elif result.passed:
        total = sum(leg.seconds for leg in result.legs)
        say(f"The {herald.title} works: {len(result.legs)} steps in {total:.1f} s.")
    return DONE if result.passed else PARTLY

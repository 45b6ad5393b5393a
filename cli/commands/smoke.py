"""`./herald smoke`: one synthetic generation through a deployed Herald."""

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
        typer.Option(parser=duration, metavar="TIME", help="How long each step may take."),
    ] = "60s",  # type: ignore[assignment]  # Typer parses it
    json: Json = False,
) -> int:
    """Send one synthetic generation to a WebSocket client, then remove every trace.

    It inserts a generation of a synthetic user, issues a temporary API key, connects with it, sends
    the signed webhook of a provider, and waits for the event. The database is HERALD_DATABASE_URL;
    without it, the one whose DSN is in the stage's secret.

    Exit codes: 0 the event arrived and nothing was left behind; 1 a step failed, or something was
    left behind; 2 not begun; 130 interrupted, and nothing was left behind.

    --json prints {"passed", "steps", "failed", "error", "left"}: "steps" has the milliseconds of
    each step that was done, "failed" the step that failed or null, "left" what could not be
    removed.
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

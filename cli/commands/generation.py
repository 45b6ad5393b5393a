"""`./herald cancel` and `./herald trace`: one generation."""

from typing import Annotated
from uuid import UUID

import typer

from cli import target
from cli.console import DONE, PARTLY, add_row, note, print_json, say, tables
from cli.declare import command
from cli.options import Json, Which, duration

Generation = Annotated[UUID, typer.Argument(help="The generation's id.", show_default=False)]


@command("""
./herald cancel 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38 --stage prod
""")
def cancel(which: Which, generation: Generation, json: Json = False) -> int:
    """Cancel a generation that is still PENDING, and notify its owner.

    Herald sets the generation to ERROR with the code canceled. It also asks the provider to stop
    the generation, if the provider supports this (fal, Luma, Replicate, RunPod, Runway) and its API
    key is set. If the provider still reports a result, the first such result replaces the
    cancellation.

    Exit codes: 0 canceled; 1 there is no such generation, or it has already completed or
    failed; 2 nothing was done.

    --json prints {"generation", "outcome", "atProvider"}: "outcome" is canceled or not_cancelable,
    "atProvider" is accepted, refused or not_possible, or null.
    """
    from cli import generations

    herald = target.choose(which)
    found = generations.cancel(herald, str(generation))
    canceled = found["outcome"] == "canceled"
    if json:
        print_json({"generation": str(generation), "atProvider": None, **found})
    elif canceled:
        words = {
            "accepted": "The provider was asked to stop the generation.",
            "refused": "The provider refused to cancel the generation, and may still finish it.",
            "not_possible": "Herald cannot ask this provider to stop the generation.",
        }
        say(f"Canceled. {words[found['atProvider']]}")
    else:
        note("There is no such generation, or it has already completed or failed.")
    return DONE if canceled else PARTLY


@command("""
./herald trace 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38 --stage prod
./herald trace 8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38 --since 3d --json
""")
def trace(
    which: Which,
    generation: Generation,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="How far back to read logs, such as 2h or 3d.")
    ] = "",
    json: Json = False,
) -> int:
    """Show what happened to a generation, and when.

    The steps come from PostgreSQL, the inbox and the functions' logs. The command reads the logs
    since the generation's insertion, or as far back as --since. It cannot show steps that are not
    logged for each generation, such as posts to clients, which are only counted in metrics.

    Exit codes: 0 shown; 1 there is no such generation; 2 a source could not be read.

    --json prints {"generation", "user", "status", "steps"}: a list of {"time", "step", "where",
    "details"} in the order of time.
    """
    from cli import generations

    herald = target.choose(which)
    found = generations.trace(herald, str(generation), duration(since) if since else None)
    if found is None:
        note("There is no such generation.")
        return PARTLY
    if json:
        print_json(found)
        return DONE
    from rich.table import Table

    table = Table("time", "step", "where", "details")
    for step in found["steps"]:
        details = ", ".join(f"{name} {value}" for name, value in step["details"].items())
        add_row(table, step["time"], step["step"], step["where"], details)
    say(f"{generation} of {found['user']}: {found['status']}")
    tables().print(table)
    return DONE

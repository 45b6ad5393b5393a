"""`./herald conformance`: tests whether a client meets the requirements of the protocol."""

import shlex
from typing import Annotated

import typer

from cli.console import DONE, PARTLY, CommandError, note, print_json, say
from cli.declare import command
from cli.options import Json


@command("""
./herald conformance --list
./herald conformance --driver 'node my_driver.mjs'
./herald conformance --driver './my_driver --quiet' --only C37 --only C38
""")
def conformance(
    driver: Annotated[
        str, typer.Option(metavar="COMMAND", help="Starts your driver.", show_default=False)
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="POINT", help="Test only this point; may be repeated."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print the points, and test nothing.")] = (
        False
    ),
    jobs: Annotated[
        int, typer.Option(min=1, max=16, help="The number of drivers to run in parallel.")
    ] = 2,
    json: Json = False,
) -> int:
    """Test a client of Herald, in any language, point by point.

    The driver is a program that you write. It contains the client, reads commands from stdin, and
    prints reports to stdout, each as a line of JSON. docs/conformance.md describes the commands and
    reports. The test suite is the server to which the client connects, and it controls the client's
    clocks. Herald itself is not needed.

    For each point that the client does not meet, the report shows the expected behavior and the
    exchanged frames.

    Exit codes: 0 all points that apply are met; 1 some are not; 2 the driver could not be started.

    --json prints a list of {"point", "title", "source", "outcome", "message", "exchange"}.
    """
    from clients.conformance import report
    from clients.conformance.outcome import Broken
    from clients.conformance.points import POINTS
    from clients.conformance.runner import run

    if listed:
        for point in POINTS:
            say(f"{point.name:4} {point.title}")
        return DONE
    if unknown := set(only or ()) - {point.name for point in POINTS}:
        raise CommandError(f"--only: unknown points: {', '.join(sorted(unknown))}; see --list")
    try:
        words = shlex.split(driver)
    except ValueError as exc:
        raise CommandError(f"--driver: {exc}") from exc
    if not words:
        raise CommandError("Give the command that starts your driver: --driver 'node driver.mjs'")
    chosen = [point for point in POINTS if not only or point.name in only]
    try:
        results = run(chosen, words, jobs=jobs)
    except Broken as exc:
        raise CommandError(f"--driver: {exc}. docs/conformance.md describes drivers.") from exc
    if json:
        print_json(report.as_json(results))
    else:
        for line in report.as_text(results):
            say(line)
    failed = any(result.outcome in ("unmet", "broken") for result in results)
    if failed and not json:
        note("docs/conformance.md explains the points.")
    return PARTLY if failed else DONE

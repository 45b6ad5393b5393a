"""`./herald doctor`: what is wrong, and what to do."""

from pathlib import Path
from typing import Annotated

import typer

from cli import target
from cli.console import DONE, PARTLY, CommandError, print_json, say
from cli.declare import command
from cli.options import Json, Which


@command("""
./herald doctor
./herald doctor --origin http://localhost:5173 --token "$TOKEN"
./herald doctor --database "$DATABASE_URL" --provider replicate
./herald doctor --delivery refused.http --stage dev
""")
def doctor(
    which: Which,
    origin: Annotated[
        str, typer.Option(metavar="ORIGIN", help="The origin of your pages.", show_default=False)
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            metavar="JWT",
            help="A token that your backend issued.",
            envvar="HERALD_TOKEN",
            show_default=False,
        ),
    ] = "",
    database: Annotated[
        str,
        typer.Option(metavar="DSN", help="Your application's database.", show_default=False),
    ] = "",
    provider: Annotated[
        str,
        typer.Option(metavar="NAME", help="A provider that you use.", show_default=False),
    ] = "",
    delivery: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A webhook as it was received: the request line, the headers, an empty line, the"
            " body.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Check the local stack or a stage, and what your application sends to it.

    Without options, this checks the addresses, the clock, the secrets, the database and its
    migrations, and a connection. Each option checks one part of your application: an origin, the
    claims and the signature of a token, the rights of its database role, a provider's
    configuration, or the signature of a webhook.

    Exit codes: 0 everything is fine; 1 there are problems; 2 nothing could be checked.

    --json prints a list of {"check", "ok", "what", "fix"}.
    """
    from cli.doctor import deliveries, run

    recorded = None
    if delivery is not None:
        try:
            recorded = deliveries.parse(delivery.read_bytes())
        except OSError as exc:
            raise CommandError(f"{delivery} cannot be read: {exc.strerror}.") from exc
    asked = run.Asked(origin or None, token or None, database or None, provider or None, recorded)
    found = []
    for finding in run.check(target.choose(which), asked):
        found.append(finding)
        if not json:
            say(f"{'✓' if finding.healthy else '✗'} {finding.check}: {finding.what}")
            if finding.fix:
                say(f"  → {finding.fix}")
    if json:
        print_json([finding.public() for finding in found])
    return DONE if all(finding.healthy for finding in found) else PARTLY

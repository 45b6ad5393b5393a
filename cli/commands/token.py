"""`./herald token`: a token for a user, for trying things out."""

import time
from typing import Annotated

import typer

from cli import target
from cli.console import DONE, print_json, say
from cli.declare import command
from cli.options import Json, Which, duration


@command("""
./herald token alice
./herald token alice --lifetime 5m --stage dev
""")
def token(
    which: Which,
    user: Annotated[str, typer.Argument(help="The user's id: the token's sub.")],
    lifetime: Annotated[
        int, typer.Option(parser=duration, metavar="TIME", help="The token's lifetime.")
    ] = "1h",  # type: ignore[assignment]  # Typer parses it
    json: Json = False,
) -> int:
    """Print a JWT for a user that Herald accepts.

    The token is signed with the JWT secret, as your application's backend signs its tokens. If the
    stage verifies RS256 or ES256, only your identity provider can issue tokens.

    Exit codes: 0 printed; 2 there is no secret, or only an identity provider can sign.

    --json prints {"token", "expires"}: "expires" is in seconds since 1970.
    """
    from cli import access

    text = access.issue(target.choose(which), user, lifetime)
    if json:
        print_json({"token": text, "expires": int(time.time()) + lifetime})
    else:
        say(text)
    return DONE

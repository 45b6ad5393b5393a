"""`./herald secret set|retire`: the values of Herald's secrets."""

import getpass
import sys
from typing import Annotated, Literal

import typer

from cli import target
from cli.console import DONE, age, note, print_json, say
from cli.declare import command
from cli.options import Json, Which

HELP = "The values of Herald's secrets: the database's DSN, the webhook's and the tokens' secrets."

Kind = Literal["database", "webhook", "jwt"]


@command("""
./herald secret set database --stage prod < dsn.txt
./herald secret set jwt --generate
./herald secret set webhook --add --generate --print
""")
def set_value(
    which: Which,
    kind: Annotated[Kind, typer.Argument(help="Which secret.", show_default=False)],
    generate: Annotated[bool, typer.Option("--generate", help="Make a random value.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the generated value.")] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Keep the current webhook secrets valid, too.")
    ] = False,
    json: Json = False,
) -> int:
    """Set the value of a secret. It is read from stdin; a terminal asks for it, without echo.

    database: the DSN, postgresql://user:password@host:5432/name?sslmode=require, or the JSON of an
    RDS secret: {"username": …, "password": …, "host": …, "port": …, "dbname": …}

    webhook: one or more signing secrets, whsec_ and base64, separated by white space

    jwt: an HS256 secret of at least 32 bytes, or the PEM public key for RS256 and ES256

    The form is checked first. A value is never printed, except by --generate --print.

    To rotate the webhook secret without rejecting a single call: `secret set webhook --add
    --generate --print`; five minutes later, give the new one to the provider; once it signs with
    it, `secret retire webhook`.

    --json prints {"secret", "valid", "value"}: "valid" is how many of its values are valid, "value"
    the generated one with --print, else null.
    """
    _check_usage(kind, generate=generate, show=show, add=add)
    from cli import secret_values

    herald = target.choose(which)
    client, secret_id = herald.client("secretsmanager"), herald.secret_id(kind)
    value = secret_values.generated(kind) if generate else _from_operator(kind)
    if add:
        value = secret_values.with_current(client, secret_id, value)
    secret_values.put(client, secret_id, value)
    new = value.split()[0] if show else None  # the others were valid before
    if new and not json:
        say(new)
    return _report(kind, value, herald.title, new, json=json)


@command("./herald secret retire webhook --stage prod")
def retire(
    which: Which,
    kind: Annotated[Literal["webhook"], typer.Argument(help="Which secret.", show_default=False)],
    json: Json = False,
) -> int:
    """End a rotation: only the secret that was added last stays valid.

    --json prints {"secret", "valid", "value"}: "webhook", 1 and null.
    """
    from cli import secret_values

    herald = target.choose(which)
    client, secret_id = herald.client("secretsmanager"), herald.secret_id(kind)
    value = secret_values.newest(client, secret_id)
    secret_values.put(client, secret_id, value)
    return _report(kind, value, herald.title, None, json=json)


def _check_usage(kind: Kind, *, generate: bool, show: bool, add: bool) -> None:
    if add and kind != "webhook":
        raise typer.BadParameter("only webhook can have several values.", param_hint="--add")
    if show and not generate:
        raise typer.BadParameter(
            "needs --generate: a given value is never printed.", param_hint="--print"
        )


def _from_operator(kind: Kind) -> str:
    from cli.secret_values import checked

    typed = getpass.getpass(f"{kind}: ") if sys.stdin.isatty() else sys.stdin.read()
    return checked(kind, typed)


def _report(kind: str, value: str, title: str, new: str | None, *, json: bool) -> int:
    from cli.secret_values import NOTICED_SECONDS

    valid = len(value.split()) if kind == "webhook" else 1
    if json:
        print_json({"secret": kind, "valid": valid, "value": new})
    several = f" ({valid} of them are valid)" if valid > 1 else ""
    note(
        f"The {kind} secret of the {title} is set{several};"
        f" functions use it within {age(NOTICED_SECONDS)}."
    )
    return DONE

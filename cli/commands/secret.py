"""`./herald secret set|retire`: sets and rotates the values of Herald's secrets."""

import getpass
import sys
from typing import Annotated, Literal

import typer

from cli import target
from cli.console import DONE, age, note, print_json, say
from cli.declare import command
from cli.options import Json, Which

HELP = "The values of Herald's secrets: database DSN, webhook secrets and the key for tokens."

Kind = Literal["database", "webhook", "jwt"]


@command("""
./herald secret set database --stage prod < dsn.txt
./herald secret set jwt --generate
./herald secret set webhook --add --generate --print
""")
def set_value(
    which: Which,
    kind: Annotated[Kind, typer.Argument(help="Which secret.", show_default=False)],
    generate: Annotated[bool, typer.Option("--generate", help="Generate a random value.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print the generated value.")] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Keep the current webhook secrets valid as well.")
    ] = False,
    json: Json = False,
) -> int:
    """Set the value of a secret.

    The value is read from stdin. On a terminal, the command asks for it without echoing the input.

    database: the DSN, postgresql://user:password@host:5432/name?sslmode=require, or the JSON of an
    RDS secret: {"username": …, "password": …, "host": …, "port": …, "dbname": …}

    webhook: one or more signing secrets, separated by white space; each is whsec_ and base64

    jwt: an HS256 secret of at least 32 bytes, or the PEM public key for RS256 and ES256

    The value is validated before it is stored. It is never printed, except with --generate --print.

    To rotate the webhook secret without rejecting webhooks, run `secret set webhook --add
    --generate --print`. Wait five minutes, until all functions know the new secret. Then give it to
    the provider. When the provider signs with the new secret, run `secret retire webhook`.

    --json prints {"secret", "valid", "value"}: "valid" is the number of valid values, "value" is
    the generated value with --print, else null.
    """
    _check_usage(kind, generate=generate, show=show, add=add)
    from cli import provider_keys, secret_values

    herald = target.choose(which)
    client, secret_id = herald.client("secretsmanager"), herald.secret_id(kind)
    if kind == "webhook":
        provider_keys.check_own_secret_is_used(herald)
    value = secret_values.generated(kind) if generate else _from_operator(kind)
    if add:
        value = secret_values.with_current(client, secret_id, value)
    secret_values.put(client, secret_id, value)
    new = value.split()[0] if show else None  # the current values were already validated
    if new and not json:
        say(new)
    return _report(kind, value, herald.title, new, json=json)


@command("./herald secret retire webhook --stage prod")
def retire(
    which: Which,
    kind: Annotated[Literal["webhook"], typer.Argument(help="Which secret.", show_default=False)],
    json: Json = False,
) -> int:
    """Finish a rotation, so that only the secret that was added last stays valid.

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

"""Asks for the secrets of a stage that have no value yet, and generates the webhook secret and the
key of links.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli import output_hosts, secret_values
from cli.console import CommandError, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.secret_values import Kind
    from cli.target import Target

_COMMANDS = {
    "database": "./herald secret set database --stage {stage} < dsn.txt",
    "jwt": "./herald secret set jwt --stage {stage} < public-key.pem"
    "   (HS256: the issuer's secret, or --generate)",
}


def missing(target: Target, *, jwks: bool) -> list[Kind]:
    """Return the kinds of secrets that the stage needs and that have no value.

    `jwks` is true if tokens are verified with the issuer's JWKS; the jwt secret is then not needed.
    """
    client = target.client("secretsmanager")
    kinds: list[Kind] = ["database", "webhook"] if jwks else ["database", "webhook", "jwt"]
    return [kind for kind in kinds if not secret_values.has_value(client, target.secret_id(kind))]


def fill(target: Target, *, jwks: bool, algorithm: str) -> list[Kind]:
    """Give a value to every secret that has none; return their kinds.

    The webhook secret is generated. The terminal asks for the others and does not show the input.

    Raises
    ------
    CommandError
        There is no terminal. The message contains a command for each secret.
    """
    wanted = missing(target, jwks=jwks)
    client = target.client("secretsmanager")
    if target.known("outputs_table") and not secret_values.has_value(
        client, target.secret_id("outputs")
    ):
        secret_values.put(client, target.secret_id("outputs"), output_hosts.first_value())
        note("The key of links was generated.")
    if "webhook" in wanted:
        secret_id = target.secret_id("webhook")
        secret_values.put(client, secret_id, secret_values.generated("webhook"))
        note(
            "The webhook secret was generated. To give it to the provider, read it with\n"
            f"  aws secretsmanager get-secret-value --secret-id {secret_id.partition('#')[0]}"
            " --query SecretString --output text"
        )
    unset = [kind for kind in wanted if kind != "webhook"]
    if unset and not sys.stdin.isatty():
        stage = target.output("stage")
        commands = "\n".join(f"  {_COMMANDS[kind].format(stage=stage)}" for kind in unset)
        raise CommandError(
            "These secrets have no value. Without a terminal, the command cannot ask. Run:\n"
            f"{commands}"
        )
    for kind in unset:
        value = _database() if kind == "database" else _token_key(algorithm)
        secret_values.put(client, target.secret_id(kind), value)
        note(f"The {kind} secret is set.")
    return wanted


def _database() -> str:
    return _valid("database", lambda: getpass.getpass("DSN of the database, for the functions: "))


def _token_key(algorithm: str) -> str:
    if algorithm != "HS256":
        return _valid("jwt", lambda: _file(input("File with the issuer's public key (PEM): ")))
    prompt = "Secret with which the issuer signs tokens (empty: generate one): "
    return _valid("jwt", lambda: getpass.getpass(prompt) or secret_values.generated("jwt"))


def _file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"The file cannot be read: {exc}") from exc


def _valid(kind: Kind, ask: Callable[[], str]) -> str:
    """Ask until the input is a valid value."""
    while True:
        try:
            return secret_values.checked(kind, ask())
        except CommandError as exc:
            note(str(exc))

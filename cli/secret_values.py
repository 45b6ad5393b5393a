"""The values of Herald's secrets: `make secret ARGS="database|webhook|jwt"`.

Terraform makes the containers, never the values: a value in HCL would end up in the state.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import getpass
import secrets
import sys
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.aws.secrets import KEEP_SECONDS
from chalicelib.sessions.credentials import SHORTEST_SECRET_BYTES
from cli import target
from cli.commands import DONE, CommandError, age, note, run

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "whsec_"
SHORTEST_WEBHOOK_BYTES = 24  # Standard Webhooks
SHORTEST_RSA_BITS = 2048

_HELP = """\
Puts the value of a secret, read from stdin (or asked for, without echo, on a terminal):
  database   the DSN: postgresql://user:password@host:5432/name?sslmode=require
  webhook    signing secrets: whsec_<base64>, several separated by white space
  jwt        an HS256 secret of at least 32 bytes, or the PEM public key for RS256 and ES256
The form is checked first. A value is never printed, unless --generate --print asks for it."""

_EXAMPLES = """\
examples:
  make secret ARGS="database" < dsn.txt
  make secret ARGS="jwt --generate"
rotating the webhook's secret, without refusing a single call:
  make secret ARGS="webhook --add --generate --print"   both hold; five minutes later, give the
                                                         new one to the provider
  make secret ARGS="webhook --retire"                    only the one added last holds

exit codes: 0 done; 2 it failed"""


def checked(kind: str, value: str) -> str:
    """Return a secret's value as it is to be stored.

    Raises
    ------
    CommandError
        The value has not the form that Herald needs; the message never holds it.
    """
    value = value.strip()
    if not value:
        raise CommandError("The value is empty.")
    return {"database": _database, "webhook": _webhook, "jwt": _jwt}[kind](value)


def _database(value: str) -> str:
    import psycopg2
    from psycopg2.extensions import parse_dsn

    wanted = "postgresql://user:password@host:5432/name"
    if not value.startswith("postgresql://"):
        raise CommandError(f"The DSN is not of the form {wanted}.")
    try:
        parts = parse_dsn(value)
    except psycopg2.ProgrammingError as exc:
        raise CommandError(
            f"The DSN cannot be parsed as {wanted}: escape @ and / as %40, %2F."
        ) from exc
    ports = parts.get("port", "5432").split(",")
    if not parts.get("host") or not parts.get("dbname") or not all(map(str.isdigit, ports)):
        raise CommandError(f"The DSN lacks host, port or database: {wanted}.")
    return value


def _webhook(value: str) -> str:
    found = value.split()
    for number, secret in enumerate(found, 1):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise CommandError(f"Secret {number} is not base64 after {PREFIX}.") from exc
        if not secret.startswith(PREFIX) or len(key) < SHORTEST_WEBHOOK_BYTES:
            raise CommandError(
                f"Secret {number} is not {PREFIX} and the base64 of {SHORTEST_WEBHOOK_BYTES} bytes"
                " or more."
            )
    if len(set(found)) < len(found):
        raise CommandError("The same secret is there twice.")
    return "\n".join(found)


def _jwt(value: str) -> str:
    if value.startswith("-----BEGIN"):
        return _public_key(value)
    if len(value.encode()) < SHORTEST_SECRET_BYTES:
        raise CommandError(f"The secret is shorter than {SHORTEST_SECRET_BYTES} bytes.")
    return value


def _public_key(pem: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE KEY" in pem:
        raise CommandError("That is a private key; only the issuer needs it. Give the public one.")
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as exc:
        raise CommandError("The PEM is not a public key (-----BEGIN PUBLIC KEY-----).") from exc
    rsa = isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA_BITS
    p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    if not rsa and not p256:
        raise CommandError(f"The key is neither RSA of {SHORTEST_RSA_BITS} bits or more nor P-256.")
    return pem


def generated(kind: str) -> str:
    """Return a new random value: 32 bytes for a webhook secret, 48 for an HS256 secret."""
    if kind == "webhook":
        return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    if kind == "jwt":
        return secrets.token_urlsafe(48)
    raise CommandError("Only the webhook and jwt secrets can be generated.")


def current(client: Any, secret_id: str) -> str:
    """Return a secret's value; empty when none was put yet."""
    try:
        return str(client.get_secret_value(SecretId=secret_id)["SecretString"]).strip()
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ""


def changed(kind: str, arguments: argparse.Namespace, client: Any, secret_id: str) -> str:
    """Return the value to store; the newest of several webhook secrets comes first."""
    if arguments.retire:
        held = current(client, secret_id).split()
        if len(held) < 2:
            raise CommandError("There is only one webhook secret, or none: nothing to retire.")
        return held[0]
    value = generated(kind) if arguments.generate else checked(kind, _from_operator(kind))
    if arguments.add:
        return checked(kind, f"{value}\n{current(client, secret_id)}")
    return value


def _from_operator(kind: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{kind}: ")
    return sys.stdin.read()


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    root = argparse.ArgumentParser(
        prog="python -m cli.secret_values",
        description=_HELP,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("kind", choices=("database", "webhook", "jwt"))
    root.add_argument("--generate", action="store_true", help="make a random value")
    root.add_argument("--print", action="store_true", help="print what was generated")
    rotation = root.add_mutually_exclusive_group()
    rotation.add_argument("--add", action="store_true", help="keep the present webhook secrets too")
    rotation.add_argument(
        "--retire", action="store_true", help="keep only the webhook secret added last"
    )
    target.add_arguments(root)
    return root


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`; return the exit code."""
    root = parser()
    arguments = root.parse_args(words)
    if arguments.kind != "webhook" and (arguments.add or arguments.retire):
        root.error("--add and --retire are for the webhook secret")
    if arguments.print and not arguments.generate:
        root.error("--print goes with --generate: a given value is never printed")
    if arguments.retire and arguments.generate:
        root.error("--retire makes no new secret")
    herald = target.choose(arguments)
    client, secret_id = herald.client("secretsmanager"), herald.secret_id(arguments.kind)
    value = changed(arguments.kind, arguments, client, secret_id)
    client.put_secret_value(SecretId=secret_id, SecretString=value)
    if arguments.print:
        print(value.split()[0])  # the new one, if several hold
    held = len(value.split()) if arguments.kind == "webhook" else 1
    note(
        f"The {arguments.kind} secret of the {herald.title} is put"
        f"{f' ({held} hold)' if held > 1 else ''}; functions notice within {age(KEEP_SECONDS)}."
    )
    return DONE


if __name__ == "__main__":
    sys.exit(run(main))

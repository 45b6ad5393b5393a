"""Checks, generates and rotates the values of Herald's secrets.

Terraform creates the secrets without values, because values in HCL would be stored in the Terraform
state.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any, Literal

from botocore.exceptions import ClientError

from chalicelib.aws.secrets import KEEP_SECONDS
from chalicelib.sessions.jwks import SHORTEST_RSA_BITS
from chalicelib.sessions.tokens import SHORTEST_SECRET_BYTES
from cli.console import CommandError

Kind = Literal["database", "webhook", "jwt"]

NOTICED_SECONDS = KEEP_SECONDS  # seconds until all functions use a new value
PREFIX = "whsec_"
SHORTEST_WEBHOOK_BYTES = 24  # Standard Webhooks


def checked(kind: Kind, value: str) -> str:
    """Check a secret's value and return it in the form in which it is stored.

    Raises
    ------
    CommandError
        The value does not have the required form. The message never contains the value.
    """
    value = value.strip()
    if not value:
        raise CommandError("The value is empty.")
    return {"database": _database, "webhook": _webhook, "jwt": _jwt}[kind](value)


def _database(value: str) -> str:
    from chalicelib.errors import InvalidDsn
    from chalicelib.recording import dsn

    try:
        parts = dsn.parse(value)
    except InvalidDsn as exc:
        raise CommandError(str(exc)) from exc
    hosts = (parts.get("host") or parts.get("hostaddr", "")).split(",")
    if not all(hosts) or not parts.get("dbname"):
        raise CommandError(f"The DSN lacks host or database: {dsn.FORM}.")
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
                f"Secret {number} is not {PREFIX} followed by the base64 of at least"
                f" {SHORTEST_WEBHOOK_BYTES} bytes."
            )
    if len(set(found)) < len(found):
        raise CommandError("The same secret appears twice.")
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
        raise CommandError(
            "That is a private key, which only the issuer needs. Give the public key."
        )
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as exc:
        raise CommandError("The PEM is not a public key (-----BEGIN PUBLIC KEY-----).") from exc
    rsa = isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA_BITS
    p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    if not rsa and not p256:
        raise CommandError(f"The key is neither RSA of {SHORTEST_RSA_BITS} bits or more nor P-256.")
    return pem


def generated(kind: Kind) -> str:
    """Return a new random value: 32 bytes for a webhook secret, 48 for an HS256 secret."""
    if kind == "webhook":
        return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    if kind == "jwt":
        return secrets.token_urlsafe(48)
    raise CommandError("Only the webhook and jwt secrets can be generated.")


def current(client: Any, secret_id: str) -> str:
    """Return a secret's value, or an empty string if it was never set."""
    try:
        return str(client.get_secret_value(SecretId=secret_id)["SecretString"]).strip()
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ""


def with_current(client: Any, secret_id: str, value: str) -> str:
    """Return a webhook secret value with the new secret first, followed by the current secrets."""
    return checked("webhook", f"{value}\n{current(client, secret_id)}")


def newest(client: Any, secret_id: str) -> str:
    """Return only the webhook secret that was added last; raises CommandError if there is only
    one.
    """
    found = current(client, secret_id).split()
    if len(found) < 2:
        raise CommandError("There is only one webhook secret, or none: nothing to retire.")
    return found[0]


def has_value(client: Any, secret_id: str) -> bool:
    """Whether a secret has a current value; does not read the value."""
    versions = client.describe_secret(SecretId=secret_id).get("VersionIdsToStages", {})
    return any("AWSCURRENT" in stages for stages in versions.values())


def put(client: Any, secret_id: str, value: str) -> None:
    """Store a secret's value."""
    client.put_secret_value(SecretId=secret_id, SecretString=value)

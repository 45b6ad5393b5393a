"""How a deployment lets clients in: the rules for tokens and origins, and the tokens' secret."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.sessions.credentials import normal_origins
from chalicelib.sessions.tokens import Rules
from cli.console import CommandError

if TYPE_CHECKING:
    from cli.target import Target


class Access(NamedTuple):
    """What the function `authorize` is configured with. `origins` are normalized."""

    rules: Rules
    origins: frozenset[str]


def read(herald: Target) -> Access:
    """Return the settings of a deployment's `authorize`; raises CommandError if it has none."""
    client = herald.client("lambda")
    name = f"herald-{herald.output('stage')}-authorize"
    try:
        found = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException as exc:
        raise CommandError(
            f"The function {name} does not exist. Has Herald been deployed?"
        ) from exc
    values = found["Environment"]["Variables"]
    rules = (values[f"HERALD_JWT_{name}"] for name in ("ALGORITHM", "ISSUER", "AUDIENCE"))
    return Access(Rules(*rules), normal_origins(values.get("HERALD_ALLOWED_ORIGINS", "")))


def token_secret(herald: Target) -> str:
    """Return the value of the JWT secret; raises CommandError if it has none."""
    try:
        return herald.secret("jwt")
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise CommandError("The JWT secret has no value: `./herald secret set jwt`.") from exc


def issue(herald: Target, user: str, lifetime: int) -> str:
    """Return a token for a user, as the login of an application issues it.

    Raises
    ------
    CommandError
        Only an identity provider can sign tokens for this deployment, or there is no secret.
    """
    import jwt

    rules = read(herald).rules
    if rules.algorithm != "HS256":
        raise CommandError(
            f"The {herald.title} verifies {rules.algorithm}, so only your identity provider can"
            " issue tokens for it."
        )
    now = int(time.time())
    claims = {"sub": user, "iss": rules.issuer, "aud": rules.audience}
    times = {"iat": now, "exp": now + lifetime}
    return jwt.encode({**claims, **times}, token_secret(herald), algorithm="HS256")

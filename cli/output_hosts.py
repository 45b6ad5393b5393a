"""The secret of kept outputs: the keys of links, and further hosts of providers."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from chalicelib.errors import SettingError
from chalicelib.providers.hosts import PATTERN
from chalicelib.store import links
from cli.console import CommandError
from cli.secret_values import has_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.target import Target

NONE = "none"  # removes all hosts of a provider


def first_value() -> str:
    """Return a value for the secret of a new deployment, with a drawn key."""
    return json.dumps({"keys": [secrets.token_urlsafe(48)]})


def set_hosts(herald: Target, provider: str, hosts: Sequence[str]) -> list[str]:
    """Replace the hosts that a provider's outputs may be copied from, besides the adapter's.

    Raises
    ------
    CommandError
        A host is malformed, or the deployment does not keep outputs.
    """
    wanted = [] if list(hosts) == [NONE] else [host.lower() for host in hosts]
    for host in wanted:
        if PATTERN.fullmatch(host) is None:
            raise CommandError(
                f"{host!r} is not a host name: write cdn.example.com, or *.example.com for all"
                " names below it, without a scheme, port or path."
            )
    value = _read(herald)
    found: dict[str, list[str]] = value.setdefault("hosts", {})
    found.pop(provider, None)
    if wanted:
        found[provider] = wanted
    client = herald.client("secretsmanager")
    client.put_secret_value(SecretId=_id(herald), SecretString=json.dumps(value, indent=1))
    return wanted


def _read(herald: Target) -> dict[str, Any]:
    client, secret_id = herald.client("secretsmanager"), _id(herald)
    if not has_value(client, secret_id):
        return dict(json.loads(first_value()))
    text = client.get_secret_value(SecretId=secret_id)["SecretString"]
    try:
        links.read(text)
    except SettingError as exc:
        raise CommandError(f"The value of the secret {secret_id} is malformed: {exc}.") from exc
    return dict(json.loads(text))


def _id(herald: Target) -> str:
    if not herald.known("outputs_table"):
        raise CommandError(f"The {herald.title} does not keep outputs: set keep_outputs = true.")
    return herald.secret_id("outputs")

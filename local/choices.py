"""The options of `up` and `demo`, which say how a stack differs from the usual one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import SettingError
from chalicelib.providers.hosts import PRIVATE
from chalicelib.recording import provider_apis
from chalicelib.sessions.credentials import normal_origin
from tooling import SetupError
from tooling.providers import keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.given_database import GivenDatabase


class Choices(NamedTuple):
    """The options. For a running stack, None keeps what was chosen before."""

    # origins of pages that may connect, besides the studio's
    origins: tuple[str, ...] | None = None
    # the first of the consecutive ports; by default, those of the last start
    port: int | None = None
    # the database for Herald's schema; by default, the stack has a server of its own
    database: GivenDatabase | None = None
    # further hosts that outputs may be copied from, as `host:port` or `host:*`; they may use http
    # and have private addresses
    fetch_hosts: tuple[str, ...] = ()
    # addresses of stand-ins of providers' APIs, whose keys are in the file of provider keys
    provider_apis: Mapping[str, str] | None = None
    # Whether ports and secrets are those of the last start. Otherwise, they are drawn anew.
    kept: bool = False


def read_origins(text: str | None) -> tuple[str, ...] | None:
    """Parse the option ORIGINS; raises SetupError, which says how to write an origin."""
    if text is None:
        return None
    given = [part.strip() for part in text.split(",") if part.strip()]
    found = {part: normal_origin(part) for part in given}
    for part, origin in found.items():
        if origin is None:
            raise SetupError(
                f"ORIGINS: {part!r} is not an origin. Write the scheme, the host and the port, as"
                " the browser's address bar shows them, without a path or a wildcard:"
                " http://localhost:5173"
            )
    return tuple(dict.fromkeys(origin for origin in found.values() if origin))


def read_fetch_hosts(text: str) -> tuple[str, ...]:
    """Parse the option FETCH_HOSTS; raises SetupError."""
    hosts = tuple(host.strip() for host in text.split(",") if host.strip())
    for host in hosts:
        if not PRIVATE.fullmatch(host):
            raise SetupError(
                f"FETCH_HOSTS: {host!r} is not a host and a port, such as 127.0.0.1:8081."
            )
    return hosts


def read_provider_apis(path: Path | None) -> dict[str, str] | None:
    """Read a file with addresses of stand-ins; raises SetupError if it is malformed."""
    if path is None:
        return None
    try:
        found = provider_apis.addresses(path.read_text())
    except (OSError, SettingError) as exc:
        raise SetupError(f"PROVIDER_APIS: {exc}") from exc
    if unknown := sorted(set(found) - set(keys.POLLED)):
        raise SetupError(f"PROVIDER_APIS: Herald does not ask the API of {', '.join(unknown)}.")
    return found

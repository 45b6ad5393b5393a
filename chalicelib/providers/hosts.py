"""The hosts that outputs may be copied from, and the reading of their addresses.

An address is accepted only if its host is on a list: that of the provider's adapter, or that of the
operator. Everything that could make two programs read one address differently is refused: user
information, other ports, control characters, backslashes, and host names that are not plain ASCII.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ADDRESS = 8192
MAX_PORT = 65_535
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
# A name has a dot and ends in a letter, so no form of an IPv4 address is one: decimal, octal and
# hexadecimal forms all end in a digit or have no dot.
NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])", re.ASCII)
PATTERN = re.compile(rf"(?:\*\.)?{NAME.pattern}", re.ASCII)
# Scheme, host, port, path and query; a fragment is left out. Path and query consist of printable
# ASCII without a backslash.
_ADDRESS = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?"
    r"(/[!-\"$->@-\[\]-~]*)?(\?[!-\"$-\[\]-~]*)?(?:#[!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
PRIVATE = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5}|\*)", re.ASCII)


class Address(NamedTuple):
    """The parts of an accepted address; `target` is its path with its query.

    `is_private` is true for a host that only the local stack allows: it may use http and have a
    private IP address.
    """

    scheme: str
    host: str
    port: int
    target: str
    is_private: bool = False


class Hosts:
    """A list of hosts.

    Parameters
    ----------
    patterns
        Host names, or `*.` and a domain name for all names below it.
    private
        Hosts of the local stack as `host:port`, or `host:*` for all ports.
    """

    def __init__(self, patterns: Iterable[str], private: Iterable[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._private = frozenset(entry for entry in private if PRIVATE.fullmatch(entry))

    def read(self, url: str) -> Address | None:
        """Return the parts of an address, or None if it is not allowed."""
        found = _ADDRESS.fullmatch(url) if len(url) <= MAX_ADDRESS else None
        if found is None:
            return None
        scheme, host = found[1].lower(), found[2].lower()
        port = int(found[3] or (443 if scheme == "https" else 80))
        if port > MAX_PORT:
            return None
        target = (found[4] or "/") + (found[5] or "")
        if f"{host}:{port}" in self._private or f"{host}:*" in self._private:
            return Address(scheme, host.strip("[]"), port, target, is_private=True)
        if scheme == "https" and port == 443 and self._names(host):
            return Address(scheme, host, port, target)
        return None

    def _names(self, host: str) -> bool:
        listed = any(
            host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
            for pattern in self._patterns
        )
        return listed and NAME.fullmatch(host) is not None

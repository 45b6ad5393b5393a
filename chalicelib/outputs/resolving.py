"""Looks up a host and refuses every address that is not on the public internet.

The caller connects to the returned addresses and never looks the name up again, so it has no
effect if the DNS answer changes between the check and the connection.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from chalicelib.errors import CopyFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.providers.hosts import Address

    Lookup = Callable[..., list[tuple[Any, ...]]]
    SocketAddress = tuple[socket.AddressFamily, tuple[Any, ...]]

# Prefixes of IPv6 addresses that contain an IPv4 address, which a gateway or tunnel would use:
# NAT64, 6to4, Teredo, and the deprecated IPv4-compatible addresses.
_EMBEDDING = [
    ip_network(prefix)
    for prefix in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
]


def resolve(address: Address, lookup: Lookup = socket.getaddrinfo) -> list[SocketAddress]:
    """Return the socket addresses of a host.

    Raises
    ------
    CopyFailed
        The host is unknown (worth another try), or one of its addresses is not public. A name with
        a public and a private address is refused as a whole.
    """
    try:
        found = lookup(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise CopyFailed("unresolved", f"{address.host} has no address") from exc
    if not found:
        raise CopyFailed("unresolved", f"{address.host} has no address")
    if not address.is_private:
        for *_, (text, *_) in found:
            if not is_public(str(text)):
                raise CopyFailed("private_address", address.host, permanent=True)
    return [(family, where) for family, _, _, _, where in found]


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(found.ipv4_mapped)
        if found.is_site_local or any(found in network for network in _EMBEDDING):
            return False
    return _is_public(found)


def _is_public(found: IPv4Address | IPv6Address) -> bool:
    return found.is_global and not (
        found.is_multicast or found.is_reserved or found.is_unspecified or found.is_loopback
    )

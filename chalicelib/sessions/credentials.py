"""Reads the credential and the origin from the headers of a connection request."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from chalicelib.errors import SettingError

_BEARER = "bearer."
# infra/variables.tf accepts the same origins.
_ORIGIN = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Token(NamedTuple):
    """A JWT."""

    text: str


class ApiKey(NamedTuple):
    """An API key."""

    text: str


def from_headers(headers: Mapping[str, str]) -> Token | ApiKey | None:
    """Find the credential in a request's headers, which have lower-case names.

    The query string is never read.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return Token(token.strip())
    for protocol in subprotocols(headers):
        if protocol.startswith(_BEARER):
            return Token(protocol[len(_BEARER) :])
    key = headers.get("x-api-key")
    return ApiKey(key) if key else None


def subprotocols(headers: Mapping[str, str]) -> list[str]:
    """Return the subprotocols that a client offers."""
    offered = headers.get("sec-websocket-protocol", "")
    return [protocol.strip() for protocol in offered.split(",") if protocol.strip()]


def origin_allowed(headers: Mapping[str, str], allowed: Collection[str]) -> bool:
    """Whether the origin may connect; only browsers send one. `allowed` has normalized origins."""
    origin = headers.get("origin")
    return origin is None or normal_origin(origin) in allowed


def normal_origin(text: str) -> str | None:
    """Return an origin as browsers send it: in lower case, without the scheme's default port.

    See RFC 6454, 6.2. Returns None for a text that is not an origin, such as a URL with a path or a
    non-ASCII host.
    """
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if found is None:
        return None
    scheme, host, port = found.groups()
    suffix = f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    return f"{scheme}://{host}{suffix}"


def normal_origins(setting: str) -> frozenset[str]:
    """Parse the origins in a setting, which are separated by commas.

    Raises
    ------
    SettingError
        A part of the setting is not an origin.
    """
    given = [text.strip() for text in setting.split(",") if text.strip()]
    found = {text: normal_origin(text) for text in given}
    if wrong := [text for text, origin in found.items() if origin is None]:
        raise SettingError(f"HERALD_ALLOWED_ORIGINS: not an origin: {', '.join(wrong)}")
    return frozenset(origin for origin in found.values() if origin)

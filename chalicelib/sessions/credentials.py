"""Reads the credential and the origin from the headers of a connection request."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

_BEARER = "bearer."


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


def origin_allowed(headers: Mapping[str, str], allowed: Iterable[str]) -> bool:
    """Whether pages of this origin may connect. Clients that are not browsers send no origin and
    may connect.
    """
    origin = headers.get("origin")
    return origin is None or origin in allowed

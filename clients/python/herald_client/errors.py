"""The errors of the client."""

from __future__ import annotations


class HeraldError(Exception):
    """The base class of all errors of this package."""


class Refused(HeraldError):
    """Herald answered the WebSocket upgrade with an HTTP error status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Herald refused the connection with HTTP status {status}")
        self.status = status


class Closed(HeraldError):
    """Herald ended the connection for good. The iteration raises this error.

    `name` is the name of the close code, as in `revoked`, and `code` its number. If Herald refused
    the connection while it was opening, `code` is the HTTP status: 403 means that the server does
    not accept the origin, and 400 that the request was malformed.
    """

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"Herald closed the connection for good: {name} ({code})")
        self.name = name
        self.code = code

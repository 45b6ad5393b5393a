"""The public keys with which providers sign for all of their customers, cached.

They are fetched again when a signature is not valid, because the provider may have new keys. Forged
webhooks cause at most one request a minute.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from chalicelib import telemetry
from chalicelib.errors import ServiceError
from chalicelib.providers import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEEP_SECONDS = 3600.0
REFETCH_SECONDS = 60.0  # between two requests, unless there are no keys yet
RETRY_SECONDS = 2.0  # between two requests while there are no keys
PROVIDER = "the provider's key server"  # in errors


class _Tried(NamedTuple):
    """The newest request for a document: its time, and its error if it failed."""

    at: float
    failure: ServiceError | None = None


class PublicKeys:
    """The JWK sets of providers, by their URLs.

    Parameters
    ----------
    fetch
        Returns the document at a URL, or raises ServiceError.
    clock
        A monotonic clock, in seconds.
    """

    def __init__(
        self, fetch: Callable[[str], bytes], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, Mapping[str, object]] = {}
        self._tried: dict[str, _Tried] = {}

    def get(self, url: str) -> Mapping[str, object]:
        """Return a JWK set, fetched within KEEP_SECONDS if the key server answers.

        Raises
        ------
        ServiceError
            There are no keys, and they cannot be fetched.
        """
        known = self._known.get(url)
        if known is None:
            return self._fetched(url)
        if self._clock() - self._tried[url].at > KEEP_SECONDS:
            return self.newer(url) or known
        return known

    def newer(self, url: str) -> Mapping[str, object] | None:
        """Fetch a JWK set again because a signature is not valid; None if there is no newer one."""
        known = self._known.get(url)
        if known is None or self._clock() - self._tried[url].at < REFETCH_SECONDS:
            return None
        try:
            found = self._fetched(url)
        except ServiceError:  # the known keys stay valid
            return None
        return None if found == known else found

    def _fetched(self, url: str) -> Mapping[str, object]:
        now, tried = self._clock(), self._tried.get(url)
        if tried and tried.failure and now - tried.at < RETRY_SECONDS:
            raise tried.failure.with_traceback(None)
        try:
            found = _jwks(self._fetch(url))
        except ServiceError as exc:
            telemetry.error("public keys not fetched", error=str(exc))
            self._tried[url] = _Tried(now, exc)
            raise
        self._tried[url] = _Tried(now)
        self._known[url] = found
        return found


def _jwks(document: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as exc:
        raise ServiceError(PROVIDER, 200, "the document is not JSON") from exc
    if not fields.items(fields.record(found).get("keys")):
        raise ServiceError(PROVIDER, 200, "the document is not a JWK set")
    return fields.record(found)

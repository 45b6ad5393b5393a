"""A server that publishes keys: one bounded GET request over https."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalicelib import __version__
from chalicelib.engine.engine import Endpoint, Request
from chalicelib.errors import ServiceError, SettingError

if TYPE_CHECKING:
    from chalicelib.engine.engine import Engine

ISSUER = "the issuer's key server"  # in errors
FETCH_SECONDS = 3.0  # for everything: connection, a second attempt, and the whole body
MAX_BYTES = 64 * 1024

_HEADERS = (
    ("User-Agent", f"herald/{__version__}"),  # firewalls block the names of HTTP libraries
    ("Accept", "application/json, */*;q=0.5"),
)
_URL = re.compile(r"(https://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(/[!-\"$-~]*)?")


class KeyServer:
    """A JWKS URL; `name` is the name of its server in errors.

    Requests are not signed and carry no credential. Redirects are not followed.
    """

    def __init__(self, engine: Engine, url: str, name: str = ISSUER) -> None:
        found = _URL.fullmatch(url)
        if found is None:
            raise SettingError(
                "HERALD_JWT_JWKS_URL must be an https URL without user information or fragment"
            )
        self._engine = engine
        self._name = name
        endpoint = Endpoint(
            found[1],
            connect_timeout=FETCH_SECONDS / 2,  # leaves time for another address
            timeout=FETCH_SECONDS,
            max_body=MAX_BYTES,
        )
        self._request = Request(endpoint, "GET", found[2] or "/", headers=_HEADERS, attempts=2)

    def fetch(self) -> bytes:
        """Return the key document as it is published.

        Raises
        ------
        ServiceError
            The server did not answer within FETCH_SECONDS, or it answered with a status other than
            200 or with more than MAX_BYTES.
        """
        answer = self._engine.call(self._request, FETCH_SECONDS)
        if answer.status != 200:
            redirected = "redirects are not followed" if 300 <= answer.status < 400 else ""
            raise ServiceError(self._name, answer.status, answer.reason or redirected or "not 200")
        return answer.body

"""The credential of a connection, and the user whom it is for."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


class Credential:
    """A function that returns tokens, or a fixed API key. Exactly one of both must be given.

    With `in_thread`, the function may block: it is called in another thread.
    """

    def __init__(
        self,
        token: Callable[[], str | Awaitable[str]] | None,
        api_key: str | None,
        *,
        in_thread: bool = False,
    ) -> None:
        if (token is None) == (api_key is None):
            raise ValueError("Give either token or api_key.")
        self._token = token
        self._api_key = api_key
        self._in_thread = in_thread

    @property
    def renewable(self) -> bool:
        """Whether a fresh credential can replace the current one on an open connection."""
        return self._token is not None

    async def fetch(self) -> str:
        """Return a fresh token, or the API key."""
        if self._token is None:
            return str(self._api_key).strip()
        found = await asyncio.to_thread(self._token) if self._in_thread else self._token()
        return (await found if inspect.isawaitable(found) else found).strip()

    def headers(self, value: str) -> Mapping[str, str]:
        """Return the headers that carry a credential."""
        if self._token is None:
            return {"x-api-key": value}
        return {"Authorization": f"Bearer {value}"}

    def user(self, value: str) -> str:
        """Return the user of a token: its unverified `sub`. For an API key, return the key's id.

        Only Herald verifies credentials. The client keeps a separate position for each user.
        Returns "" if the token cannot be read.
        """
        if self._token is None:
            return value.rpartition("_")[0]
        try:
            payload = value.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            subject = claims["sub"]
        except (IndexError, ValueError, KeyError, TypeError, RecursionError):
            return ""
        return subject if isinstance(subject, str) else ""

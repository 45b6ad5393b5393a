"""When the token of an open connection is renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from herald_client.backoff import Backoff
from herald_client.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from herald_client.events import Frame
    from herald_client.platform import Platform

_RETRY_SECONDS = (1.0, 60.0)
_AT = 0.8  # of the token's lifetime, but not earlier than this before it expires:
_BEFORE_SECONDS = 180.0
_ROTATION_SECONDS = 60.0  # until the next connection is ready


class Renewal:
    """Renews the token of one connection, but only if it expires before the connection is replaced.

    The next connection brings a token of its own. `renew` fetches a fresh token and sends it; the
    answer is passed to `answered`.
    """

    def __init__(self, platform: Platform, renew: Callable[[], None]) -> None:
        self._clock = platform.clock
        self._renew = renew
        self._backoff = Backoff(*_RETRY_SECONDS, platform.random)
        self._timers = Timers(platform.clock)
        self._replaced_at = 0.0  # when the next connection should be ready

    def start(self, token_ms: int | None, lifetime: float) -> None:
        """Start after the welcome.

        `token_ms` is the time until the token expires, None if it never does; `lifetime` the time
        in seconds until the connection is replaced.
        """
        self._replaced_at = self._clock.monotonic() + lifetime + _ROTATION_SECONDS
        self._schedule(token_ms)

    def stop(self) -> None:
        self._timers.stop_all()

    def answered(self, answer: Frame | None) -> None:
        """Process the answer to `auth`; None means that there was none, or no fresh token."""
        if answer and answer["type"] == "auth_ok":
            self._backoff.reset()
            self._schedule(answer["token_ms"])
            return
        at_least = answer.get("retry_after_ms", 0) / 1000 if answer else 0.0
        self._arm(max(at_least, self._backoff.next()))

    def _schedule(self, token_ms: int | None) -> None:
        if not token_ms:
            return
        token = token_ms / 1000
        replaced = self._replaced_at - self._clock.monotonic()
        wait = max(token * _AT, token - _BEFORE_SECONDS)
        # A token that outlives the connection is renewed only if replacing the connection failed.
        self._arm(max(wait, replaced) if token > replaced else wait)

    def _arm(self, wait: float) -> None:
        self._timers.start("renew", wait, self._renew)

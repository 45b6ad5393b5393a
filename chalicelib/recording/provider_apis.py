"""The APIs of the configured providers: which can be asked, with which key, and the requests."""

from __future__ import annotations

import json
import math
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from chalicelib import __version__, telemetry
from chalicelib.engine.engine import Endpoint, Request
from chalicelib.errors import SettingError
from chalicelib.providers import configuration, fields, registry
from chalicelib.providers.polling import Answer, Api, is_key
from chalicelib.recording.watching import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.engine.engine import Engine
    from chalicelib.providers.configuration import Configured
    from chalicelib.providers.polling import Polling
    from chalicelib.providers.report import Call

CALL_SECONDS = 20.0  # for one request; the file of a batch may be large
MAX_BODY_BYTES = 128 * 1024 * 1024  # of an answer
LONGEST_RETRY_AFTER = 3600.0  # seconds
_AGENT = ("User-Agent", f"herald/{__version__}")  # firewalls block the names of HTTP libraries


class Known(NamedTuple):
    """A provider that can be asked: how, with which key, and the provider's options."""

    name: str
    polling: Polling
    key: str
    options: Mapping[str, object]

    @property
    def pace(self) -> Pace:
        """How often it is asked. The option `polls_per_minute` replaces the limit."""
        own = fields.whole(self.options.get("polls_per_minute"), 100_000)
        polling = self.polling
        permits = own or polling.per_minute
        return Pace(self.name, polling.first_seconds, polling.longest_seconds, permits)


class ProviderApis:
    """The APIs of the providers that have an API key in the providers' secret.

    Parameters
    ----------
    secret
        Returns the value of the providers' secret; may raise ServiceError.
    addresses
        Other addresses of APIs, by provider. An address without a path replaces only the host.
    """

    def __init__(
        self,
        engine: Engine,
        secret: Callable[[], str],
        addresses: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._secret = secret
        self._addresses = addresses
        self._clock = clock
        self._endpoints: dict[str, Endpoint] = {}

    def known(self) -> dict[str, Known]:
        """Return the providers that can be asked, by name; raises ServiceError.

        A malformed entry is logged and left out, so that it does not stop the others.
        """
        found: dict[str, Known] = {}
        try:
            entries = configuration.entries(self._secret())
        except SettingError as exc:
            telemetry.error("providers' secret not read", error=str(exc))
            return found
        for name, entry in entries.items():
            try:
                provider = _known(name, configuration.configured(name, entry))
            except SettingError as exc:
                telemetry.error("provider not read", error=str(exc))
                continue
            if provider is not None:
                found[name] = provider
        return found

    def api(self, provider: Known, *, deadline: float) -> Api:
        """Return a provider's API, for requests until the deadline (of time.monotonic())."""
        base = _placed(provider.polling.url, self._addresses.get(provider.name))
        header = provider.polling.authorize(provider.key, self._clock())
        return Api(lambda call: self._send(call, deadline), base, header, provider.options)

    def _send(self, call: Call, deadline: float) -> Answer:
        """Perform one request in one attempt: the schedule repeats it."""
        parts = urlsplit(call.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        endpoint = self._endpoints.get(origin)
        if endpoint is None:
            endpoint = self._endpoints[origin] = Endpoint(
                origin, connect_timeout=3.0, timeout=CALL_SECONDS, max_body=MAX_BODY_BYTES
            )
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = [_AGENT, *call.headers]
        if call.method in ("POST", "PUT"):
            headers.append(("Content-Length", "0"))
        request = Request(
            endpoint,
            call.method,
            path,
            headers=tuple(headers),
            attempts=1,
            idempotent=call.method == "GET",
        )
        limit = min(deadline, time.monotonic() + CALL_SECONDS)
        [result] = self._engine.call_all([request], limit)
        waiting = seconds_to_wait(result.header("retry-after"), self._clock())
        return Answer(result.status, result.body, waiting, result.header("location"))


def addresses(text: str) -> dict[str, str]:
    """Read the setting HERALD_PROVIDER_APIS, a JSON object of addresses by provider.

    Raises
    ------
    SettingError
        It is malformed.
    """
    try:
        found = json.loads(text or "{}")
        for url in found.values():
            if urlsplit(url).scheme not in ("http", "https"):
                raise ValueError(url)
    except (ValueError, AttributeError, TypeError) as exc:
        raise SettingError(
            'HERALD_PROVIDER_APIS must be a JSON object such as {"replicate": "https://…"}'
        ) from exc
    return {str(name): str(url) for name, url in found.items()}


def seconds_to_wait(value: str | None, now: float) -> float | None:
    """Return a Retry-After in seconds, given as seconds or as a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    seconds = fields.number(value)
    if seconds is None:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(math.ceil(seconds), 0), LONGEST_RETRY_AFTER)


def _known(name: str, found: Configured) -> Known | None:
    key, adapter = found.keys.api_key, registry.adapter(found.adapter)
    if key is None or adapter is None or adapter.polling is None:
        return None
    if not is_key(key):
        raise SettingError(f"{name}.api_key has a space or a control character")
    return Known(name, adapter.polling, key, found.options)


def _placed(url: str, address: str | None) -> str:
    if address is None:
        return url
    address = address.rstrip("/")
    return address if urlsplit(address).path else address + urlsplit(url).path

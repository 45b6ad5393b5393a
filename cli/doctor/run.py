"""Runs the checks of `./herald doctor`."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from chalicelib.providers.configuration import Configured
from chalicelib.providers.delivery import Keys
from chalicelib.providers.verifiers import TOLERANCE_SECONDS
from cli import access
from cli.console import CommandError
from cli.doctor import databases, deliveries, origins, tokens
from cli.doctor.findings import Finding
from cli.provider_keys import ProviderKeys, own_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.access import Access
    from cli.doctor.deliveries import Recorded
    from cli.target import Target

_SECONDS = 10.0
_SKEW_SECONDS = 30  # the leeway of tokens; webhooks have TOLERANCE_SECONDS


class Asked(NamedTuple):
    """What an application uses, as far as it is given."""

    origin: str | None = None
    token: str | None = None
    database: str | None = None
    provider: str | None = None
    delivery: Recorded | None = None


def check(herald: Target, asked: Asked) -> Iterator[Finding]:
    """Check a deployment, and then what an application uses.

    Raises
    ------
    CommandError
        The deployment's settings cannot be read.
    """
    local = herald.known("studio_url") is not None
    addresses = list(_addresses(herald, local=local))
    yield from addresses
    if not addresses[0].healthy:
        return
    found = access.read(herald)
    secret = _token_secret(herald, found)
    if isinstance(secret, Finding):
        yield secret
    yield from databases.check(herald.database(), asked.database)
    if asked.origin:
        yield origins.check(asked.origin, found.origins, local=local)
    token = asked.token
    if token:
        key = secret if isinstance(secret, str) else None
        yield tokens.check(token, found.rules, key, time.time())
    elif isinstance(secret, str) and found.rules.algorithm == "HS256":
        token = access.issue(herald, "herald-doctor", 60)
    if token:
        yield _connects(herald, token, asked.origin)
    if asked.provider:
        yield _provider(herald, asked.provider)
    if asked.delivery:
        configured = _configured(herald, asked.delivery.provider)
        yield deliveries.check(asked.delivery, configured, time.time())


def _addresses(herald: Target, *, local: bool) -> Iterator[Finding]:
    url = herald.output("callbacks_url")
    began = time.time()
    try:
        answer = httpx.get(url, timeout=_SECONDS, trust_env=not local)
    except httpx.HTTPError as exc:
        yield Finding(
            "address",
            f"Nothing answers at {url}: {type(exc).__name__}.",
            "Start the local stack again: `make up`."
            if local
            else "Check the network, and whether the stage still exists.",
        )
        return
    yield Finding("address", f"{urlsplit(url).netloc} answers.")
    if date := answer.headers.get("date"):
        yield clock(date, (began + time.time()) / 2)


def clock(date: str, now: float) -> Finding:
    """Compare the clock of this machine, `now` in seconds since 1970, with a `Date` header."""
    skew = now - parsedate_to_datetime(date).timestamp()
    if abs(skew) <= _SKEW_SECONDS:
        return Finding("clock", "The clock of this machine agrees with Herald's.")
    which = "ahead of" if skew > 0 else "behind"
    refused = "tokens and webhooks" if abs(skew) > TOLERANCE_SECONDS else "tokens"
    return Finding(
        "clock",
        f"The clock of this machine is {abs(skew):.0f} s {which} Herald's.",
        f"Synchronize it (NTP): Herald refuses {refused} that are made with it.",
    )


def _token_secret(herald: Target, found: Access) -> str | Finding | None:
    """Return the key of tokens; None if it is fetched from the issuer."""
    try:
        return access.token_secret(herald)
    except CommandError as exc:
        if found.rules.algorithm != "HS256":
            return None
        return Finding("token", str(exc), "Every connection is refused until it is set.")


def _connects(herald: Target, token: str, origin: str | None) -> Finding:
    """Connect as a client; the server's own answer is what counts."""
    url = herald.output("websocket_url")
    given: dict[str, Any] = {"origin": origin} if origin else {}
    subprotocols: list[Any] = ["herald.v1", f"bearer.{token}"]
    try:
        with connect(
            url,
            subprotocols=subprotocols,
            open_timeout=_SECONDS,
            proxy=None if herald.known("studio_url") else True,
            **given,
        ):
            return Finding("connection", "A client can connect.")
    except InvalidStatus as exc:
        status = exc.response.status_code
        fixes = {
            401: "To see why, give your application's token to --token.",
            403: "To see why, give the origin of your pages to --origin.",
        }
        return Finding(
            "connection",
            f"Herald refuses a connection with HTTP status {status}.",
            fixes.get(status, "See `./herald logs authorize` and `./herald logs connect`."),
        )
    except (WebSocketException, OSError) as exc:
        return Finding(
            "connection",
            f"Cannot connect to {url}: {type(exc).__name__}.",
            "Check the network, and whether a proxy on the way to Herald refuses WebSockets.",
        )


def _provider(herald: Target, name: str) -> Finding:
    if _configured(herald, name) is None:
        return Finding(
            "provider", f"{name} is not configured.", f"Run `./herald provider set {name}`."
        )
    return Finding("provider", f"{name} is configured.")


def _configured(herald: Target, name: str) -> Configured | None:
    try:
        found = ProviderKeys(herald).find(name)
        if found is None and name == "generations":
            return Configured(name, Keys(secrets=tuple(own_secrets(herald))), {})
    except (BotoCoreError, ClientError) as exc:
        raise CommandError(f"The providers' keys cannot be read: {exc}") from exc
    return found

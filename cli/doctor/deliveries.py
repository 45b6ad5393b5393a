"""Checks a webhook that Herald refused: its address, its signature and its time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from chalicelib.providers import registry
from chalicelib.providers.delivery import Delivery, NotAuthentic, Reason
from chalicelib.providers.verifiers import TOLERANCE_SECONDS
from cli.console import CommandError
from cli.doctor.findings import Finding

if TYPE_CHECKING:
    from chalicelib.providers.configuration import Configured

_FORM = (
    "The file must have an HTTP request as it was received: the line `POST"
    " /callbacks/<provider>[/<generation>] HTTP/1.1`, the headers, an empty line, and the body"
)
_ROUTE = re.compile(r"/callbacks/([a-z0-9-]+)(?:/([^/]+))?(?:/([^/]+))?$")
_WRONG_SIGNATURE = (
    "Set the secret that the provider signs with: `./herald provider set {provider}`, or `./herald"
    " secret set webhook` for generations. Sign the raw body: JSON that was parsed and written"
    " again has other bytes."
)
# For each reason, what is wrong and what to do.
_REASONS = {
    Reason.MISSING_HEADER: (
        "A signature header is missing.",
        "Check whether a proxy or a tunnel removes headers. docs/providers.md lists them.",
    ),
    Reason.LATE: (
        f"The webhook was signed more than {TOLERANCE_SECONDS} s ago.",
        "Let the provider send a new webhook. If this one is new, correct the sender's clock.",
    ),
    Reason.EARLY: (
        f"The webhook's signature has a time over {TOLERANCE_SECONDS} s in the future.",
        "Correct the sender's clock, or write the timestamp in seconds, not milliseconds.",
    ),
    Reason.SIGNATURE: (
        "No active secret verifies the signature.",
        _WRONG_SIGNATURE,
    ),
    Reason.ACCOUNT: (
        "The webhook is for another account at the provider.",
        "Set your account: `./herald provider set {provider} --account ID`.",
    ),
    Reason.CAPABILITY: (
        "The token in the address is wrong.",
        "Use the whole address that `./herald callback-url {provider} GENERATION` prints.",
    ),
}


class Recorded(NamedTuple):
    """A recorded webhook, from a file."""

    provider: str
    delivery: Delivery


def parse(data: bytes) -> Recorded:
    """Read an HTTP request; raises CommandError, which says what the file must have."""
    end = re.search(rb"\r?\n\r?\n", data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (b"", b"")
    first, *lines = head.decode("latin-1").splitlines() or [""]
    words = first.split()
    route = _ROUTE.search(urlsplit(words[1]).path.rstrip("/")) if len(words) > 1 else None
    if route is None:
        raise CommandError(f"The delivery cannot be read. {_FORM}.")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = headers.get("content-length", "")
    if length.isdecimal():
        body = body[: int(length)]  # an editor may have added a line break
    provider, generation, token = route.groups()
    delivery = Delivery(provider, generation, token, headers, body)
    return Recorded(provider, delivery)


def check(recorded: Recorded, found: Configured | None, now: float) -> Finding:
    """Check a delivery with the provider's keys; `now` is in seconds since 1970."""
    provider = recorded.provider
    adapter = registry.adapter(found.adapter if found else provider)
    if adapter is None:
        return Finding(
            "delivery",
            f"There is no provider {provider}.",
            "Use a name that `./herald provider list` shows in the webhook's address.",
        )
    if found is None or not adapter.is_configured(found.keys):
        return Finding(
            "delivery", f"{provider} is not configured.", f"Run `./herald provider set {provider}`."
        )
    delivery = recorded.delivery._replace(options=found.options)
    try:
        adapter.authenticate(delivery, found.keys, now)
    except NotAuthentic as exc:
        what, fix = _REASONS[exc.reason]
        return Finding("delivery", what, fix.format(provider=provider))
    return Finding("delivery", f"The webhook of {provider} is authentic.")

"""Asks a provider about a generation. This module describes requests and reads answers; it does no
I/O.

A look-up ends in one of three ways: reports, no report because the answer says nothing that Herald
knows, or LookupFailed, after which the schedule asks again. Only an
answer with a result, a failure or a cancellation ends a generation. If the provider does not know
the id, Herald asks again.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from chalicelib.errors import LookupFailed
from chalicelib.providers import fields
from chalicelib.providers.delivery import Delivery
from chalicelib.providers.report import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from chalicelib.providers.report import Header, Report

    Interpret = Callable[[Mapping[str, object], Delivery], list[Report]]
    Send = Callable[["Call"], "Answer"]
    Authorize = Callable[[str, float], Header]
    Poll = Callable[["Job", "Api"], Iterable[Report]]
    Cancel = Callable[["Job", "Api"], None]

_KEY = re.compile(r"[!-~]+")  # one header value: no spaces, no line breaks


class Answer(NamedTuple):
    """The answer to a Call; status 0 means that there was none.

    `retry_after` is the provider's Retry-After in seconds, `location` the target of a redirect.
    """

    status: int
    body: bytes = b""
    retry_after: float | None = None
    location: str | None = None


class Job(NamedTuple):
    """A generation as its provider knows it.

    `model` is the row's `core_model`: the addresses of some providers contain it.
    """

    provider_id: str
    model: str | None = None


class Api:
    """One provider's API, with our key.

    Parameters
    ----------
    send
        Performs one request.
    base
        The address of the API, without a slash at the end.
    header
        The header that contains the key.
    options
        The provider's options in the providers' secret.
    """

    def __init__(
        self, send: Send, base: str, header: Header, options: Mapping[str, object]
    ) -> None:
        self._send = send
        self._base = base
        self._header = header
        self.options = options

    def call(self, path: str, *headers: Header, method: str = "GET") -> Call:
        """Return a request with our key. `path` starts with a slash and may have a query."""
        return Call(method, f"{self._base}{path}", (self._header, *headers))

    def get(self, path: str, *headers: Header) -> Mapping[str, object]:
        """Return the JSON object at a path; raises LookupFailed for any other answer."""
        return record(self.ask(self.call(path, *headers)).body)

    def post(self, path: str, method: str = "POST") -> None:
        """Send a request without a body; raises LookupFailed unless it is accepted."""
        self.ask(self.call(path, method=method))

    def ask(self, call: Call, *also: int) -> Answer:
        """Perform a request.

        Raises
        ------
        LookupFailed
            The status is neither 2xx nor one of `also`.
        """
        answer = self._send(call)
        if 200 <= answer.status < 300 or answer.status in also:
            return answer
        raise LookupFailed(answer.status, answer.retry_after)

    def read(self, interpret: Interpret, body: Mapping[str, object]) -> list[Report]:
        """Read a JSON object that has the same form as the provider's webhook."""
        return interpret(body, Delivery("", None, None, {}, b"", self.options))


class Polling(NamedTuple):
    """How a provider is asked.

    Parameters
    ----------
    poll
        Returns the reports about a job, or none if the answer says nothing that Herald knows.
        Raises only LookupFailed. A report about one request of a batch has the generation's id; a
        report without it is about the job, and about all other requests of a batch.
    url
        The address of the provider's API.
    authorize
        Returns the header that contains the key, given the key and the time in epoch seconds.
    first_seconds
        Time from the row's insertion to the first look-up: the provider's webhook is usually here
        by then.
    longest_seconds
        The pauses between look-ups grow by half, up to this one.
    per_minute
        The maximum number of look-ups in a minute, over all generations of the provider.
    cancel
        Cancels a job; None if the provider cannot.
    webhooks
        Whether the provider also sends webhooks.
    """

    poll: Poll
    url: str
    authorize: Authorize
    first_seconds: int = 120
    longest_seconds: int = 900
    per_minute: int = 60
    cancel: Cancel | None = None
    webhooks: bool = True


def bearer(key: str, now: float) -> Header:
    """Return the header of OAuth's bearer tokens, which most providers use."""
    return "Authorization", f"Bearer {key}"


def in_header(name: str, prefix: str = "") -> Authorize:
    """Return an Authorize for a provider with a header of its own."""

    def authorize(key: str, now: float) -> Header:
        return name, f"{prefix}{key}"

    return authorize


def is_key(value: str) -> bool:
    """Whether a text can be sent as an API key."""
    return _KEY.fullmatch(value) is not None


def part(value: str) -> str:
    """Return an id as one segment of a path. It comes from outside, so it is percent-encoded."""
    return quote(value, safe="")


def parts(value: str) -> str:
    """Return a name such as `models/veo/operations/1` as segments of a path.

    Raises
    ------
    LookupFailed
        A segment is empty or would leave its folder.
    """
    found = value.split("/")
    if any(segment in ("", ".", "..") for segment in found):
        raise LookupFailed(0, reason="the id is not a path")
    return "/".join(map(part, found))


def record(body: bytes) -> Mapping[str, object]:
    """Return a body's JSON object; raises LookupFailed if it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise LookupFailed(200, reason="the answer is not JSON") from exc
    if not isinstance(found, dict):
        raise LookupFailed(200, reason="the answer is not a JSON object")
    return found


def lines(body: bytes) -> Iterator[Mapping[str, object]]:
    """Yield the objects of a JSONL file. A line that is not a JSON object is skipped.

    The file may be large, so there is only one line in memory besides the file.
    """
    for line in io.BytesIO(body):
        if found := fields.parsed(line.decode(errors="replace")):
            yield found


def decoded(value: object) -> bytes | None:
    """Return the bytes of a base64 text, or None for any other value and for an empty one."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def batch_member(provider_id: str) -> tuple[str, str | None]:
    """Split the id of a row that is one request of a batch, `<batch>/<generation id>`.

    Returns the batch and the generation's id, or the unchanged id and None.
    """
    batch, _, last = provider_id.rpartition("/")
    own = fields.uuid(last) if batch else None
    return (batch, own) if own else (provider_id, None)

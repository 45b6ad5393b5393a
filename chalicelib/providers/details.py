"""The optional fields of Herald's own payload: an invalid one is repaired or dropped, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from chalicelib.providers import fields
from chalicelib.providers.report import Kind, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

MAX_PIXELS = 65_535
MAX_CODE_CHARACTERS = 100
MAX_MESSAGE_CHARACTERS = 1000
MAX_NAME_CHARACTERS = 200  # of a model or a step
_KINDS = {kind.value: kind for kind in Kind}


class Details:
    """Reads optional fields of a body; `repaired` names those that were changed or dropped."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self.repaired: tuple[str, ...] = ()

    def url(self, name: str) -> str | None:
        """Return a usable URL."""
        return self._noted(name, self._body.get(name), fields.url(self._body.get(name)))

    def pixels(self, name: str) -> int | None:
        """Return a whole number of pixels, also one that is written as text."""
        found = fields.whole(self._body.get(name), MAX_PIXELS)
        return self._noted(name, self._body.get(name), found)

    def outputs(self) -> tuple[Output, ...]:
        """Return `imageUrl` first, with what `outputs` says of it, and then the rest of
        `outputs`.
        """
        url = self.url("imageUrl")
        width, height = self.pixels("imageWidth"), self.pixels("imageHeight")
        listed = {output.url: output for output in self._listed()}
        if url is None:
            return tuple(listed.values())
        first = listed.pop(url, None) or Output(url, Kind.IMAGE)
        if width or height:
            first = first._replace(width=first.width or width, height=first.height or height)
        return (first, *listed.values())[: fields.MAX_OUTPUTS]

    def fraction(self, name: str) -> float | None:
        """Return a number from 0 to 1."""
        found = fields.fraction(self._body.get(name))
        if found != self._body.get(name):
            self.repair(name)
        return found

    def name(self, name: str) -> str | None:
        """Return a text of at most MAX_NAME_CHARACTERS characters."""
        return self._text(name, self._body.get(name), MAX_NAME_CHARACTERS)

    def error(self) -> tuple[str | None, str | None]:
        """Return the code and the message of `error`, which is an object or a sentence."""
        given = self._body.get("error")
        if given is not None and not isinstance(given, dict):
            self.repair("error")
            given = {"message": fields.written(given)}
        found = fields.record(given)
        return (
            self._text("error.code", found.get("code"), MAX_CODE_CHARACTERS),
            self._text("error.message", found.get("message"), MAX_MESSAGE_CHARACTERS),
        )

    def repair(self, name: str) -> None:
        """Name a field that is not kept as it was sent; a field that was not sent is not named."""
        if self._body.get(name.partition(".")[0]) is not None:
            self.repaired += (name,)

    def _listed(self) -> list[Output]:
        if self._body.get("outputs") is None:
            return []
        listed = fields.items(self._body["outputs"])
        found = [output for entry in listed[: fields.MAX_OUTPUTS] for output in _output(entry)]
        if len(found) < len(listed) or not isinstance(self._body["outputs"], list):
            self.repair("outputs")
        return found

    def _text(self, name: str, given: object, most: int) -> str | None:
        return self._noted(name, given, fields.written(given, most))

    def _noted(self, name: str, given: object, found: T) -> T:
        if given is not None and (type(found) is not type(given) or found != given):
            self.repair(name)
        return found


def _output(value: object) -> tuple[Output, ...]:
    entry = fields.record(value)
    return fields.output(
        entry.get("url"),
        content_type=entry.get("contentType"),
        kind=_KINDS.get(str(entry.get("kind"))),
        width=entry.get("width"),
        height=entry.get("height"),
        duration_ms=entry.get("durationMs"),
        bytes=entry.get("bytes"),
        expires_at=entry.get("expiresAt"),
        safe=entry.get("safe"),
    )

"""Parses the provider's webhook: the outcome of a generation and its optional details.

An id, a status and, for COMPLETE, a usable image URL are required. An invalid optional detail never
causes a refusal. It is shortened, replaced or dropped, and its name is added to `repaired`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, NamedTuple, cast
from urllib.parse import urlsplit
from uuid import UUID

from chalicelib.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.protocol.events import ErrorDetail

MAX_ADDRESS_CHARACTERS = 16_384  # a presigned URL with a session token has about 2,000 characters
MAX_PIXELS = 65_535
MAX_CODE_CHARACTERS = 100
MAX_MESSAGE_CHARACTERS = 1000
MAX_MODEL_CHARACTERS = 200
DEFAULT_ERROR: ErrorDetail = {"code": "generation_failed", "message": "The generation failed."}

# PostgreSQL's `text` type cannot contain NUL or an unpaired surrogate.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class GenerationResult(NamedTuple):
    """The outcome of a generation; `repaired` names the details that were changed or dropped."""

    generation_id: str
    status: Literal["COMPLETE", "ERROR"]
    image_url: str | None
    image_height: int | None
    image_width: int | None
    core_model: str | None
    error: ErrorDetail | None
    repaired: tuple[str, ...]


def parse(body: bytes | Mapping[str, object]) -> GenerationResult:
    """Parse the provider's report, which is raw JSON or an already parsed object.

    Raises
    ------
    Refused
        422; the error names the first invalid field.
    """
    report = _decoded(body) if isinstance(body, bytes) else body
    generation_id, status = _generation_id(report), _status(report)
    details = _Details(report)
    image_url = details.address("imageUrl")
    if status == "COMPLETE" and image_url is None:
        raise _refused("imageUrl", "must be an http or https URL when status is COMPLETE")
    if status == "COMPLETE" and report.get("error") is not None:
        details.repaired.append("error")
    return GenerationResult(
        generation_id,
        status,
        image_url,
        details.pixels("imageHeight"),
        details.pixels("imageWidth"),
        details.text("coreModel", MAX_MODEL_CHARACTERS),
        details.error() if status == "ERROR" else None,
        tuple(details.repaired),
    )


class _Details:
    """Reads the optional details, repairs invalid ones and records their names."""

    def __init__(self, report: Mapping[str, object]) -> None:
        self._report = report
        self.repaired: list[str] = []

    def address(self, name: str) -> str | None:
        value = self._report.get(name)
        if isinstance(value, str) and _usable(value):
            return value
        self._drop(name, value)
        return None

    def pixels(self, name: str) -> int | None:
        value = self._report.get(name)
        number = _whole(value)
        if number is None or not 1 <= number <= MAX_PIXELS:
            self._drop(name, value)
            return None
        if type(value) is not int:
            self.repaired.append(name)
        return number

    def text(self, name: str, most: int) -> str | None:
        return self._cut(name, self._report.get(name), most)

    def error(self) -> ErrorDetail:
        given = self._report.get("error")
        if isinstance(given, str):  # many providers send a string instead of an object
            self.repaired.append("error")
            given = {"message": given}
        elif given is not None and not isinstance(given, dict):
            self.repaired.append("error")
            given = {"message": json.dumps(given, default=str)}
        found = cast("Mapping[str, object]", given or {})
        code = self._cut("error.code", found.get("code"), MAX_CODE_CHARACTERS)
        message = self._cut("error.message", found.get("message"), MAX_MESSAGE_CHARACTERS)
        return {
            "code": code or DEFAULT_ERROR["code"],
            "message": message or DEFAULT_ERROR["message"],
        }

    def _cut(self, name: str, value: object, most: int) -> str | None:
        if value is None:
            return None
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _as_text(value))[:most]
        if text != value:
            self.repaired.append(name)
        elif not text:
            self._drop(name, value)
        return text or None

    def _drop(self, name: str, value: object) -> None:
        if value is not None:
            self.repaired.append(name)


def _decoded(body: bytes) -> Mapping[str, object]:
    try:
        report = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _refused("body", "is not JSON") from exc
    if not isinstance(report, dict):
        raise _refused("body", "is not a JSON object")
    return report


def _generation_id(report: Mapping[str, object]) -> str:
    try:
        return str(UUID(str(report["generationId"])))
    except KeyError as exc:
        raise _refused("generationId", "is required") from exc
    except ValueError as exc:
        raise _refused("generationId", "must be a UUID") from exc


def _status(report: Mapping[str, object]) -> Literal["COMPLETE", "ERROR"]:
    status = report.get("status")
    if status not in ("COMPLETE", "ERROR"):
        raise _refused("status", "must be COMPLETE or ERROR")
    return status


def _usable(address: str) -> bool:
    """Whether a browser can load this URL and PostgreSQL can store it."""
    if len(address) > MAX_ADDRESS_CHARACTERS or _UNSTORABLE.search(address):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.netloc)


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value // 1 and abs(value) <= MAX_PIXELS else None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _refused(field: str, rule: str) -> Refused:
    return Refused(422, "invalid_body", f"{field} {rule}.", field)

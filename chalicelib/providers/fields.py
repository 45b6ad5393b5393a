"""Functions that read arbitrary JSON. None of them raises: an unsuitable value is None or empty.

Adapters use these functions, so that no payload of a provider can break an adapter.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from chalicelib.providers.report import Kind, Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_TEXT = 2_000
MAX_URL = 16_384
MAX_DEPTH = 8
MAX_OUTPUTS = 100

_MAX_SECONDS = 10**11  # a larger number is a time in milliseconds
_WEB = re.compile("https?://", re.IGNORECASE)
_PLAIN = re.compile("https?://[A-Za-z0-9.-]+(?:/[!-~]*)?")
_CANONICAL = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile("[A-Za-z][A-Za-z_.-]{0,39}")
# PostgreSQL's text can contain neither NUL nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_KINDS = {
    "image": Kind.IMAGE,
    "video": Kind.VIDEO,
    "audio": Kind.AUDIO,
    "model": Kind.MODEL,
    "text": Kind.TEXT,
}
_SUFFIXES = {
    Kind.IMAGE: ("png", "jpg", "jpeg", "webp", "gif", "avif", "svg", "bmp", "tif", "tiff"),
    Kind.VIDEO: ("mp4", "webm", "mov", "mkv", "m4v"),
    Kind.AUDIO: ("mp3", "wav", "ogg", "flac", "m4a", "opus"),
    Kind.MODEL: ("glb", "gltf", "obj", "fbx", "usdz", "ply", "stl"),
    Kind.TEXT: ("txt", "json", "srt", "vtt"),
}


def record(value: object) -> Mapping[str, object]:
    """Return a JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return a JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def at(value: object, path: object) -> object:
    """Return the value at a dotted path such as `output.images.0.url`, or None."""
    for name in str(path).split("."):
        if isinstance(value, list):
            index = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None
            value = value[index] if index is not None and index < len(value) else None
        else:
            value = record(value).get(name)
    return value


def parsed(value: object) -> Mapping[str, object]:
    """Parse a text as a JSON object; return an empty object if the text is not a JSON object."""
    try:
        return record(json.loads(value)) if isinstance(value, str) else {}
    except (ValueError, RecursionError):
        return {}


def text(value: object, most: int = MAX_TEXT) -> str | None:
    """Return a non-empty text, cut to `most` characters; a whole number is converted to text.

    Characters that PostgreSQL cannot store are replaced.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        value = str(value)
    if not isinstance(value, str) or not value:
        return None
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value[:most])


def written(value: object, most: int = MAX_TEXT) -> str | None:
    """Return a text as `text` does; any other JSON value is written as JSON."""
    if value is None or isinstance(value, str):
        return text(value, most)
    try:
        found = json.dumps(value)
    except RecursionError:
        return None
    return text(found.replace(r"\u0000", "\N{REPLACEMENT CHARACTER}"), most)


def type_of(body: Mapping[str, object]) -> str | None:
    """Return the word by which a provider names the type of its payload, for the log.

    Any other text could contain a secret or a prompt that the provider echoes.
    """
    words = (body.get(name) for name in ("type", "event", "status", "state"))
    found = next((word for word in words if isinstance(word, str)), "")
    return found if _WORD.fullmatch(found) else None


def uuid(value: object) -> str | None:
    """Return a UUID in its canonical form, with lower-case letters and dashes."""
    if isinstance(value, str) and _CANONICAL.fullmatch(value):
        return value
    try:
        return str(UUID(str(value)))
    except ValueError:
        return None


def number(value: object) -> float | None:
    """Return a finite number, which may be given as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def whole(value: object, most: int = 2**53) -> int | None:
    """Return a whole number from 1 to `most`."""
    if type(value) is int:  # not bool
        return value if 1 <= value <= most else None
    found = number(value)
    return int(found) if found is not None and found.is_integer() and 1 <= found <= most else None


def fraction(value: object) -> float | None:
    """Return a number from 0 to 1; a number outside this range is moved to its nearer end."""
    found = number(value)
    return None if found is None else min(max(found, 0.0), 1.0)


def milliseconds(seconds: object) -> int | None:
    """Convert a duration from seconds to milliseconds."""
    found = number(seconds)
    return whole(round(found * 1000)) if found is not None and found < 10**12 else None


def size(value: object) -> tuple[int, int] | tuple[None, None]:
    """Return the width and height in a text such as `1024x768`."""
    width, _, height = value.partition("x") if isinstance(value, str) else ("", "", "")
    found = whole(width, 65_535), whole(height, 65_535)
    return (None, None) if found[0] is None or found[1] is None else (found[0], found[1])


def later(start: object, seconds: int) -> str | None:
    """Return the RFC 3339 time that is a number of seconds after a start.

    The start is an RFC 3339 text, or a number of seconds or milliseconds since 1970.
    """
    from datetime import UTC, datetime, timedelta

    epoch = number(start)
    try:
        if epoch is None:
            begun = datetime.fromisoformat(str(start))
        else:
            begun = datetime.fromtimestamp(epoch / 1000 if epoch > _MAX_SECONDS else epoch, UTC)
        end = begun.replace(tzinfo=begun.tzinfo or UTC).astimezone(UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError, OSError):
        return None
    return end.strftime("%Y-%m-%dT%H:%M:%SZ") if end.year >= 2000 else None


def url(value: object) -> str | None:
    """Return an https or http URL that a browser can load and a database can keep.

    Its scheme is in lower case, as in events.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        return None
    if _PLAIN.fullmatch(value):  # nearly all; the rest takes four times as long
        return value
    if _UNSTORABLE.search(value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    found = _WEB.match(value)
    return found[0].lower() + value[found.end() :] if found and parts.netloc else None


def output(
    address: object, *, content_type: object = None, kind: Kind | None = None, **known: object
) -> tuple[Output, ...]:
    """Return a tuple with one output, or an empty tuple if the URL is not usable.

    Parameters
    ----------
    content_type, kind
        If `kind` is not given, it is derived from the content type, or else from the file name's
        suffix.
    known
        Further fields of Output, as the provider sent them; unsuitable values become None.
    """
    found = url(address)
    if found is None:
        return ()
    media = text(content_type, 200)
    safe = known.get("safe")
    return (
        Output(
            found,
            kind or _kind(found, media),
            media,
            whole(known.get("width"), 65_535),
            whole(known.get("height"), 65_535),
            whole(known.get("duration_ms")),
            whole(known.get("bytes")),
            text(known.get("expires_at"), 64),
            safe if isinstance(safe, bool) else None,
        ),
    )


def urls(value: object, depth: int = MAX_DEPTH) -> Iterator[str]:
    """Yield every URL in a JSON value, in order, at most MAX_DEPTH levels deep."""
    if isinstance(value, str):
        if found := url(value):
            yield found
    elif depth > 0 and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from urls(inner, depth - 1)


def outputs(value: object, *, expires_at: str | None = None) -> tuple[Output, ...]:
    """Return one output for each URL in a JSON value: a string, a list or an object."""
    found = list(dict.fromkeys(urls(value)))[:MAX_OUTPUTS]
    return tuple(one for address in found for one in output(address, expires_at=expires_at))


def kind(content_type: str | None) -> Kind:
    """Return the kind of a file with this content type; FILE if the type says nothing."""
    return _KINDS.get((content_type or "").partition("/")[0].lower(), Kind.FILE)


def _kind(address: str, content_type: str | None) -> Kind:
    found = kind(content_type)
    if found is not Kind.FILE:
        return found
    suffix = urlsplit(address).path.rpartition(".")[2].lower()
    return next((kind for kind, known in _SUFFIXES.items() if suffix in known), Kind.FILE)

"""Reading JSON that may hold anything. Nothing here raises: what is not as wanted is None or empty.

Adapters are built on these functions, so that no payload of a provider can break one.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.providers.report import Kind, Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_TEXT = 2_000
MAX_URL = 16_384
MAX_DEPTH = 8
MAX_OUTPUTS = 100

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


def text(value: object, most: int = MAX_TEXT) -> str | None:
    """Return a text that is not empty, cut to `most` characters; numbers are written out."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        value = str(value)
    return value[:most] if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """Return a finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def whole(value: object, most: int = 2**53) -> int | None:
    """Return a whole number from 1 to `most`."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() and 1 <= found <= most else None


def fraction(value: object) -> float | None:
    """Return a number from 0 to 1; what is beyond is moved to the nearer end."""
    found = number(value)
    return None if found is None else min(max(found, 0.0), 1.0)


def url(value: object) -> str | None:
    """Return an https or http URL that a browser can load."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("https", "http") and parts.netloc else None


def output(
    address: object, *, content_type: object = None, kind: Kind | None = None, **known: object
) -> tuple[Output, ...]:
    """Return one output in a tuple, or none where the address is not usable.

    Parameters
    ----------
    content_type, kind
        A kind that is not given follows from the content type, then from the file name's suffix.
    known
        Further fields of Output, as the provider sent them: those that are not as wanted are None.
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


def _kind(address: str, content_type: str | None) -> Kind:
    kind = _KINDS.get((content_type or "").partition("/")[0].lower())
    if kind is not None:
        return kind
    suffix = urlsplit(address).path.rpartition(".")[2].lower()
    return next((kind for kind, known in _SUFFIXES.items() if suffix in known), Kind.FILE)

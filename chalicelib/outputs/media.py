"""Recognizes the format of a file by its first bytes, and reads the size of pictures.

Only headers are read and nothing is decoded, so a harmful file cannot cost more than its header.
The formats' sources are named at each reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import CopyFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 1024 * 1024  # what is read of a file to find its format and size
MAX_PIXELS = 65_535
BINARY = "application/octet-stream"
_GENERIC = ("", BINARY, "binary/octet-stream")
_MEDIA = ("image", "video", "audio")
# Documents that a browser would render, and that could run scripts.
_DOCUMENT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype|html|head|body|script|iframe|svg|\?xml|"
    rb"title|meta|style|p\b|h1|table|div|a\b|br)",
    re.IGNORECASE | re.DOTALL,
)
_TEXT = re.compile(rb"[\t\n\f\r\x20-\x7e\x80-\xff]*")
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"glTF", "model/gltf-binary"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"qt  ": "video/quicktime"}
_AUDIO_BRANDS = (b"M4A ", b"M4B ")
_STILL_BRANDS = (b"heic", b"heix", b"mif1")


class Media(NamedTuple):
    """A file's format, as a media type, and a picture's size in pixels, 0 if unknown."""

    content_type: str
    width: int = 0
    height: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the format was recognized. Any other file is only offered as a download."""
        return self.content_type != BINARY


def recognize(head: bytes, kind: str, declared: str) -> Media:
    """Return what a file is.

    Parameters
    ----------
    head
        The first bytes, at most HEAD_BYTES; all of a shorter file.
    kind
        The kind of output that the provider reported: image, video, audio, model, text or file.
    declared
        The media type that the source sent.

    Raises
    ------
    CopyFailed
        The file is empty, is a document such as an error page, or is not what it should be.
    """
    declared = declared.lower()
    if not head:
        raise CopyFailed("empty", "the file is empty")
    if declared in ("text/html", "application/xhtml+xml") or _DOCUMENT.match(head[:1024]):
        raise CopyFailed("document", "the source sent a web page")
    found = _type(head)
    generic, said = declared in _GENERIC, declared.partition("/")[0]
    family = found.partition("/")[0] if found else said
    if kind in _MEDIA:
        text = found is None and _TEXT.fullmatch(head[:512])
        if text or (family not in _MEDIA and (found or not generic)):
            raise CopyFailed("wrong_type", f"{found or declared or 'text'} instead of {kind}")
    # A container of video can also be used for audio alone, so the two are not distinguished.
    if found and said in _MEDIA and (said == "image") != (family == "image"):
        raise CopyFailed("wrong_type", f"the source says {declared}, the file is {found}")
    return Media(found or BINARY, *_size(head, found))


def _type(head: bytes) -> str | None:
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12
        brand = head[8:12]
        if brand in _STILL_BRANDS:
            return "image/avif" if b"avif" in head[16:64] else "image/heic"
        return _BRANDS.get(brand, "audio/mp4" if brand in _AUDIO_BRANDS else "video/mp4")
    return None


def _size(head: bytes, found: str | None) -> tuple[int, int]:
    reader = {
        "image/png": _png,
        "image/jpeg": _jpeg,
        "image/gif": _gif,
        "image/webp": _webp,
        "image/avif": _avif,
    }.get(found or "")
    width, height = reader(head) if reader else (0, 0)
    return (width, height) if 0 < width <= MAX_PIXELS and 0 < height <= MAX_PIXELS else (0, 0)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _png(head: bytes) -> tuple[int, int]:
    """https://www.w3.org/TR/png-3/#11IHDR"""
    return (_big(head[16:20]), _big(head[20:24])) if head[12:16] == b"IHDR" else (0, 0)


def _gif(head: bytes) -> tuple[int, int]:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt, section 18"""
    return _little(head[6:8]), _little(head[8:10])


def _jpeg(head: bytes) -> tuple[int, int]:
    """ITU-T T.81, section B.2: the size is in the frame header, after any other segments."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(head[at + 7 : at + 9]), _big(head[at + 5 : at + 7])
        else:
            at += 2 + max(_big(head[at + 2 : at + 4]), 2)
    return 0, 0


def _webp(head: bytes) -> tuple[int, int]:
    """RFC 9649, section 2"""
    form, data = head[12:16], head[20:30]
    if form == b"VP8X":
        return _little(data[4:7]) + 1, _little(data[7:10]) + 1
    if form == b"VP8L" and data[:1] == b"\x2f":
        bits = _little(data[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        return _little(data[6:8]) & 0x3FFF, _little(data[8:10]) & 0x3FFF
    return 0, 0


def _avif(head: bytes) -> tuple[int, int]:
    """ISO/IEC 23008-12: the largest `ispe` property in meta/iprp/ipco; the others are of tiles and
    thumbnails.
    """
    sizes = [
        (_big(box[4:8]), _big(box[8:12]))
        for meta in _boxes(head, b"meta")
        for properties in _boxes(meta[4:], b"iprp")
        for container in _boxes(properties, b"ipco")
        for box in _boxes(container, b"ispe")
        if len(box) >= 12
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _boxes(data: bytes, wanted: bytes) -> Iterator[bytes]:
    """Yield the contents of the boxes of one type; stop at a box that is not whole."""
    at = 0
    while at + 8 <= len(data):
        size, start = _big(data[at : at + 4]), at + 8
        if size == 1:
            size, start = _big(data[at + 8 : at + 16]), at + 16
        end = at + size if size else len(data)
        if end <= start or end > len(data):
            return
        if data[at + 4 : at + 8] == wanted:
            yield data[start:end]
        at = end

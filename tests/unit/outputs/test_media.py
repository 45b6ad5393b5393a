"""Formats are recognized by their first bytes, and sizes are read from headers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import CopyFailed
from chalicelib.outputs import media
from chalicelib.outputs.media import Media, recognize
from tests.media_files import box, jpeg, png


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(data)) + data


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\0\0"


def webp(form: bytes, data: bytes) -> bytes:
    body = b"WEBP" + form + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_extended(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\x10\0\0\0" + sizes)


def webp_lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", bits) + b"\0" * 5)


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\x10\2\0\x9d\1\x2a" + struct.pack("<HH", width, height))


def avif(width: int, height: int, brand: bytes = b"avif") -> bytes:
    def ispe(width: int, height: int) -> bytes:
        return box(b"ispe", b"\0\0\0\0", struct.pack(">II", width, height))

    container = box(b"ipco", ispe(1, 1), box(b"pixi", b"\0" * 8), ispe(width, height))
    meta = box(b"meta", b"\0\0\0\0", box(b"hdlr", b"\0" * 25), box(b"iprp", container))
    return box(b"ftyp", brand, b"\0\0\0\0", b"mif1avifmiaf") + meta + box(b"mdat", b"\1" * 50)


PICTURES = {
    "image/png": png,
    "image/jpeg": jpeg,
    "image/gif": gif,
    "image/avif": avif,
}


@pytest.mark.parametrize("size", [(1, 1), (1024, 768), (65_535, 3)])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_its_size(name: str, size: tuple[int, int]) -> None:
    assert recognize(PICTURES[name](*size), "image", name) == Media(name, *size)


@pytest.mark.parametrize("make", [webp_extended, webp_lossless, webp_lossy])
@pytest.mark.parametrize("size", [(1, 1), (1024, 768), (16_383, 2)])
def test_every_form_of_webp_has_its_size(make: object, size: tuple[int, int]) -> None:
    head = make(*size)  # type: ignore[operator]
    assert recognize(head, "image", "image/webp") == Media("image/webp", *size)


@pytest.mark.parametrize(
    "head",
    [
        jpeg(800, 600, segment(0xE0, b"JFIF\0" + b"\0" * 9), segment(0xE1, b"x" * 65_000)),
        jpeg(800, 600, segment(0xC4, b"\0" * 30), b"\xff"),  # a table first, and a fill byte
        jpeg(800, 600, marker=0xC0),
    ],
)
def test_the_size_of_a_jpeg_comes_after_other_segments(head: bytes) -> None:
    assert recognize(head, "image", "") == Media("image/jpeg", 800, 600)


def test_an_avif_with_a_general_brand_is_recognized() -> None:
    assert recognize(avif(30, 20, b"mif1"), "image", "image/avif") == Media("image/avif", 30, 20)


@pytest.mark.parametrize("make", [*PICTURES.values(), webp_extended, webp_lossless, webp_lossy])
def test_a_header_that_is_cut_has_no_size_and_no_error(make: object) -> None:
    whole = make(40, 30)  # type: ignore[operator]
    for end in range(1, len(whole)):
        found = recognize(whole[:end], "file", "")
        assert (found.width, found.height) in ((0, 0), (40, 30)) or end < len(whole)


@given(st.sampled_from([*PICTURES.values(), webp_extended]), st.binary(max_size=200))
def test_no_header_makes_the_reader_fail(make: object, rest: bytes) -> None:
    start = make(40, 30)[:16]  # type: ignore[operator]
    found = recognize(start + rest, "image", "")
    assert 0 <= found.width <= media.MAX_PIXELS
    assert 0 <= found.height <= media.MAX_PIXELS


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        (box(b"ftyp", b"isom", b"\0" * 8), "video", "video/mp4"),
        (box(b"ftyp", b"qt  ", b"\0" * 8), "video", "video/quicktime"),
        (box(b"ftyp", b"M4A ", b"\0" * 8), "audio", "audio/mp4"),
        (box(b"ftyp", b"isom", b"\0" * 8), "audio", "video/mp4"),
        (b"\x1a\x45\xdf\xa3" + b"\0" * 20, "video", "video/webm"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "audio", "audio/wav"),
        (b"ID3\4\0\0", "audio", "audio/mpeg"),
        (b"OggS\0\2", "audio", "audio/ogg"),
        (b"fLaC\0", "audio", "audio/flac"),
        (b"glTF\2\0\0\0", "model", "model/gltf-binary"),
        (b"\x00\x01\x02 something else", "file", media.BINARY),
        (b'{"caption": "a cat"}', "text", media.BINARY),
        (b"\x47\x40\x11\x10\x00" * 9, "video", media.BINARY),  # MPEG-TS, which is not recognized
    ],
)
def test_other_formats_are_recognized_or_offered_as_a_download(
    head: bytes, kind: str, name: str
) -> None:
    found = recognize(head, kind, media.BINARY)
    assert found == Media(name)
    assert found.is_known is (name != media.BINARY)


@pytest.mark.parametrize(
    ("head", "kind", "declared", "code"),
    [
        (b"", "image", "image/png", "empty"),
        (b"<!DOCTYPE html><html>", "image", "image/png", "document"),
        (b"\n <HTML>", "file", "", "document"),
        (b"<!-- x --><script>", "file", "", "document"),
        (b"\xef\xbb\xbf<svg xmlns=", "image", "image/svg+xml", "document"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "image", "", "document"),
        (png(1, 1), "image", "text/html", "document"),
        (b'{"error":"expired"}', "image", "application/json", "wrong_type"),
        (b"This link has expired.", "video", "video/mp4", "wrong_type"),
        (b"%PDF-1.7\n\0\1\2", "image", "application/pdf", "wrong_type"),
        (b"glTF\2\0\0\0", "image", "", "wrong_type"),
        (box(b"ftyp", b"isom", b"\0" * 8), "image", "image/png", "wrong_type"),
        (png(1, 1), "video", "video/mp4", "wrong_type"),
    ],
)
def test_what_is_not_the_output_is_refused(
    head: bytes, kind: str, declared: str, code: str
) -> None:
    with pytest.raises(CopyFailed) as caught:
        recognize(head, kind, declared)
    assert caught.value.code == code

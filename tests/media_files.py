"""Small files with the headers of pictures and videos."""

import struct
import zlib


def box(name: bytes, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return struct.pack(">I", 8 + len(data)) + name + data


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (1 + 3 * 4))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def jpeg(width: int, height: int, *segments: bytes, marker: int = 0xC2) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return (
        b"\xff\xd8"
        + b"".join(segments)
        + bytes([0xFF, marker])
        + struct.pack(">H", 2 + len(frame))
        + frame
    )

"""A stand-in of a provider's CDN, which serves files and misbehaves as a test asks for."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[["Request"], None]
_RANGE = re.compile(r"bytes=(\d+)-")


class Request(BaseHTTPRequestHandler):
    """One request; `answer` and `serve` write the response."""

    protocol_version = "HTTP/1.1"
    cdn: Cdn

    def do_GET(self) -> None:
        self.cdn.asked.append((self.path, dict(self.headers.items())))
        handler = self.cdn.files.get(self.path.partition("?")[0])
        if handler is None:
            self.answer(404, {"content-length": "9"}, b"not found")
        else:
            handler(self)

    def answer(self, status: int, headers: dict[str, str], *pieces: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in pieces:
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def chunk(self, piece: bytes) -> None:
        """Write one chunk; an empty one ends the body."""
        self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    def serve(self, content: bytes, content_type: str) -> None:
        """Serve a file as a CDN does: with an ETag, and a part of it if that is asked for."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"content-type": content_type, "etag": tag, "accept-ranges": "bytes"}
        wanted = _RANGE.fullmatch(self.headers.get("range", ""))
        if wanted and self.headers.get("if-range") in (None, tag):
            start = int(wanted[1])
            headers["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["content-length"] = str(len(content) - start)
            self.answer(206, headers, content[start:])
        else:
            headers["content-length"] = str(len(content))
            self.answer(200, headers, content)

    def log_message(self, *arguments: Any) -> None:
        pass


class Cdn:
    """The server: `files` are handlers by path, and `asked` are the paths and headers so far."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.files: dict[str, Handler] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, content: bytes, content_type: str = "image/png") -> str:
        """Serve a file; return its address."""
        self.files[path] = lambda request: request.serve(content, content_type)
        return self.url(path)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *arguments: Any) -> None:
        """A client that closes the connection is no error here."""


@contextmanager
def running() -> Iterator[Cdn]:
    class Own(Request):
        pass

    server = _Quiet(("127.0.0.1", 0), Own)
    server.daemon_threads = True
    Own.cdn = Cdn(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Own.cdn
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

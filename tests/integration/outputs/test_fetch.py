"""What is loaded from a provider, and each trick by which a source could misuse it."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import CopyFailed
from chalicelib.outputs import fetch
from chalicelib.outputs.fetch import Fetcher, Resume
from chalicelib.providers.hosts import Hosts
from tests.integration.outputs import cdn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.outputs.cdn import Cdn, Request

pytestmark = pytest.mark.integration

MOST = 1_000_000
CONTENT = bytes(range(256)) * 100


@pytest.fixture(scope="module")
def server() -> Iterator[Cdn]:
    with cdn.running() as found:
        yield found


@pytest.fixture
def source(server: Cdn) -> Cdn:
    server.files.clear()
    server.asked.clear()
    return server


def hosts(source: Cdn) -> Hosts:
    return Hosts([], [f"127.0.0.1:{source.port}"])


def load(source: Cdn, path: str, seconds: float = 10.0, **options: Any) -> bytes:
    fetcher = Fetcher(options.pop("most", MOST))
    deadline = time.monotonic() + seconds
    fetched = fetcher.open(source.url(path), hosts(source), deadline=deadline, **options)
    try:
        return b"".join(iter(fetched.read, b""))
    finally:
        fetched.close()


def failure(source: Cdn, path: str, **options: Any) -> CopyFailed:
    with pytest.raises(CopyFailed) as caught:
        load(source, path, **options)
    return caught.value


def test_a_file_is_loaded_whole(source: Cdn) -> None:
    source.put("/a.png", CONTENT)
    assert load(source, "/a.png?sig=x%2F") == CONTENT
    [(path, headers)] = source.asked
    assert path == "/a.png?sig=x%2F"
    assert headers["Host"] == f"127.0.0.1:{source.port}"
    assert headers["accept-encoding"] == "identity"


def test_a_chunked_file_is_loaded_whole(source: Cdn) -> None:
    def serve(request: Request) -> None:
        request.answer(200, {"transfer-encoding": "chunked"})
        for start in range(0, len(CONTENT), 1000):
            request.chunk(CONTENT[start : start + 1000])
        request.chunk(b"")

    source.files["/a"] = serve
    assert load(source, "/a") == CONTENT


def test_a_file_is_loaded_from_where_an_earlier_attempt_ended(source: Cdn) -> None:
    source.put("/a.png", CONTENT)
    deadline = time.monotonic() + 10
    whole = Fetcher(MOST).open(source.url("/a.png"), hosts(source), deadline=deadline)
    whole.close()
    resume = Resume(1000, whole.validator, len(CONTENT))
    assert load(source, "/a.png", resume=resume) == CONTENT[1000:]


def test_a_file_that_has_changed_is_loaded_anew(source: Cdn) -> None:
    source.put("/a.png", CONTENT)
    resume = Resume(1000, '"of another content"', len(CONTENT))
    assert load(source, "/a.png", resume=resume) == CONTENT


def test_a_wrong_part_of_a_file_is_refused(source: Cdn) -> None:
    def serve(request: Request) -> None:
        headers = {"content-range": "bytes 5-9/10", "content-length": "5", "etag": '"a"'}
        request.answer(206, headers, b"fghij")

    source.files["/a"] = serve
    assert failure(source, "/a").code == "wrong_range"  # nobody asked for a part
    assert failure(source, "/a", resume=Resume(6, '"a"', 10)).code == "wrong_range"
    assert failure(source, "/a", resume=Resume(5, '"b"', 10)).code == "wrong_range"
    assert failure(source, "/a", resume=Resume(5, '"a"', 11)).code == "wrong_range"
    assert load(source, "/a", resume=Resume(5, '"a"', 10)) == b"fghij"


# --- redirects ---


def redirect(source: Cdn, path: str, location: str, status: int = 302) -> None:
    source.files[path] = lambda request: request.answer(
        status, {"location": location, "content-length": "0"}
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_an_allowed_host_is_followed(source: Cdn, status: int) -> None:
    source.put("/b", CONTENT)
    redirect(source, "/a", "/b", status)
    assert load(source, "/a") == CONTENT


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "https://evil.example/",
        "//evil.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://user@127.0.0.1:{port}/b",
        "http://2130706433:{port}/b",
        "http://0177.0.0.1:{port}/b",
        "http://localhost:{port}/b",
        "http://127.0.0.1.nip.io:{port}/b",
    ],
)
def test_a_redirect_to_any_other_address_is_refused(source: Cdn, location: str) -> None:
    source.put("/b", CONTENT)
    redirect(source, "/a", location.format(port=source.port))
    refused = failure(source, "/a")
    assert (refused.code, refused.permanent) == ("host_not_allowed", True)
    assert [path for path, _ in source.asked] == ["/a"]


def test_redirects_in_a_circle_end(source: Cdn) -> None:
    redirect(source, "/a", "/a")
    assert failure(source, "/a").code == "too_many_redirects"
    assert len(source.asked) == fetch.MAX_REDIRECTS + 1


def test_a_key_is_sent_only_to_the_first_host(source: Cdn) -> None:
    with cdn.running() as other:
        both = Hosts([], [f"127.0.0.1:{source.port}", f"127.0.0.1:{other.port}"])
        other.put("/b", CONTENT)
        redirect(source, "/a", "/c")
        redirect(source, "/c", other.url("/b"))
        fetched = Fetcher(MOST).open(
            source.url("/a"), both, deadline=time.monotonic() + 10, headers={"x-key": "secret"}
        )
        fetched.close()
        assert [headers.get("x-key") for _, headers in source.asked] == ["secret", "secret"]
        assert [headers.get("x-key") for _, headers in other.asked] == [None]


# --- names and addresses ---


class Lookup:
    """Answers each look-up of a name with the next address of a list."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def __call__(self, host: str, port: int, **options: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.texts.pop(0), port))]


def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    for text in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
        fetcher = Fetcher(MOST, Lookup(text))
        with pytest.raises(CopyFailed, match="private_address"):
            fetcher.open(
                "https://cdn.example.com/a",
                Hosts(["cdn.example.com"]),
                deadline=time.monotonic() + 5,
            )


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A DNS server could answer with a public address first, and then with a private one."""
    lookup = Lookup("93.184.216.34", "127.0.0.1")
    connected: list[Any] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address)
            raise TimeoutError

    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(CopyFailed, match="unreachable"):
        Fetcher(MOST, lookup).open(
            "https://cdn.example.com/a", Hosts(["cdn.example.com"]), deadline=time.monotonic() + 5
        )
    assert connected == [("93.184.216.34", 443)]
    assert lookup.texts == ["127.0.0.1"]


def test_the_certificate_must_be_of_the_host(source: Cdn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in has no TLS at all: what is asked for over https is not read without it."""
    https = source.url("/a").replace("http:", "https:")
    with pytest.raises(CopyFailed, match="unreachable"):
        Fetcher(MOST).open(https, hosts(source), deadline=time.monotonic() + 5)


# --- bodies ---


def test_a_file_over_the_limit_is_refused_before_it_is_read(source: Cdn) -> None:
    source.put("/a", CONTENT)
    refused = failure(source, "/a", most=len(CONTENT) - 1)
    assert (refused.code, refused.permanent) == ("too_large", True)
    assert load(source, "/a", most=len(CONTENT)) == CONTENT


def test_a_compressed_body_is_refused_and_not_decompressed(source: Cdn) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    headers = {"content-encoding": "gzip", "content-length": str(len(bomb))}
    source.files["/a"] = lambda request: request.answer(200, headers, bomb)
    assert failure(source, "/a").code == "compressed"


def test_a_body_shorter_than_announced_is_refused(source: Cdn) -> None:
    def serve(request: Request) -> None:
        request.answer(200, {"content-length": str(len(CONTENT))}, CONTENT[:-1])
        request.close_connection = True

    source.files["/a"] = serve
    assert failure(source, "/a").code == "interrupted"


def test_a_chunked_body_that_breaks_off_is_refused(source: Cdn) -> None:
    def serve(request: Request) -> None:
        request.answer(200, {"transfer-encoding": "chunked"})
        request.chunk(CONTENT)
        request.close_connection = True

    source.files["/a"] = serve
    assert failure(source, "/a").code == "interrupted"


def test_no_more_is_read_than_announced(source: Cdn) -> None:
    source.files["/a"] = lambda request: request.answer(
        200, {"content-length": "10"}, CONTENT[:10] + b"HTTP/1.1 200 OK\r\n\r\n"
    )
    assert load(source, "/a") == CONTENT[:10]


def test_a_body_without_an_announced_end_is_refused(source: Cdn) -> None:
    def serve(request: Request) -> None:
        request.answer(200, {"connection": "close"}, CONTENT)

    source.files["/a"] = serve
    assert failure(source, "/a").code == "no_length"


@pytest.mark.parametrize("status", [204, 206, 300, 304, 400, 403, 404, 410, 500, 503])
def test_every_other_status_is_a_failure(source: Cdn, status: int) -> None:
    source.files["/a"] = lambda request: request.answer(status, {"content-length": "0"})
    refused = failure(source, "/a")
    assert refused.code == ("wrong_range" if status == 206 else "refused")
    assert refused.permanent is (status == 410)


def test_an_endless_slow_body_ends_at_the_deadline(source: Cdn) -> None:
    ended = threading.Event()

    def serve(request: Request) -> None:
        request.answer(200, {"transfer-encoding": "chunked"})
        try:
            while not ended.wait(0.02):
                request.chunk(b"x")
        except OSError:
            pass

    source.files["/a"] = serve
    began = time.monotonic()
    try:
        assert failure(source, "/a", seconds=0.4).in_progress
    finally:
        ended.set()
    assert time.monotonic() - began < 2


def test_a_source_that_falls_silent_is_given_up(
    source: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.2)
    ended = threading.Event()

    def serve(request: Request) -> None:
        request.answer(200, {"content-length": "100"}, b"x")
        ended.wait(5)

    source.files["/a"] = serve
    try:
        assert failure(source, "/a").code == "interrupted"
    finally:
        ended.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: \r\n" + b"content-length: -1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_failure(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for _ in range(fetch.MAX_REDIRECTS + 1):
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with accepted:
                    accepted.recv(65536)
                    accepted.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        with pytest.raises(CopyFailed) as caught:
            Fetcher(MOST).open(
                f"http://127.0.0.1:{port}/",
                Hosts([], [f"127.0.0.1:{port}"]),
                deadline=time.monotonic() + 5,
            )
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    assert caught.value.code in ("interrupted", "too_many_redirects")

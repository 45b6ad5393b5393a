"""Parses responses in every form that HTTP/1.1 allows, split at any byte, and some invalid ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.engine import http1
from chalicelib.engine.http1 import Malformed, Reader, Response, usual

HEAD = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FORMS: list[tuple[bytes, int, bytes, bool]] = [
    (HEAD + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
    (HEAD + b"content-LENGTH:5 \r\n\r\nhello", 200, b"hello", True),
    (HEAD + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    (HEAD + b"Content-Length: 5\r\nConnection: Close\r\n\r\nhello", 200, b"hello", False),
    (HEAD + b"Connection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, b"x", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    (b"HTTP/1.1 304\r\nContent-Length: 7\r\n\r\n", 304, b"", True),
    (
        INTERIM + b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}",
        410,
        b"{}",
        True,
    ),
    (
        CHUNKED + b"3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
        200,
        b"hello",
        True,
    ),
    (
        HEAD
        + b"Transfer-Encoding: Chunked\r\n\r\n00A\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
        200,
        b"\r\n" * 5,
        True,
    ),
    (
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
        b"x",
        False,  # two lengths, so the rest of the connection cannot be trusted
    ),
]


@pytest.mark.parametrize(("raw", "status", "body", "reusable"), FORMS)
def test_a_response_is_the_same_however_its_bytes_are_split(
    raw: bytes, status: int, body: bytes, reusable: bool
) -> None:
    cuts = [[raw], [raw[i : i + 1] for i in range(len(raw))]]
    cuts += [[raw[:i], raw[i:]] for i in range(1, len(raw))]
    for pieces in cuts:
        reader = Reader()
        assert not reader.started
        *incomplete, response = (reader.feed(piece) for piece in pieces)
        assert not any(incomplete)
        assert response == Response(status, body)
        assert response.reusable == reusable


def test_the_fast_path_reads_what_the_reader_reads() -> None:
    taken = 0
    for raw in (
        *(form[0] for form in FORMS),
        *(form[0] + b"x" for form in FORMS),
        *(form[0][:-1] for form in FORMS),
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\ncontent-length : 3\r\n\r\n{}",
        HEAD + b"X: y\nContent-Length: 2\r\n\r\n{}",
        HEAD + b" Content-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nConnection: keep-alive, close\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Date: x\r\nContent-Type: y\r\nContent-Length: 2\r\nSet-Cookie: z\r\n\r\n{}",
        b"HTTP/1.1 410 Gone\r\nConnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ):
        if response := usual(raw):
            taken += 1
            read = Reader().feed(raw)
            assert read == response
            assert read is not None
            assert read.reusable == response.reusable
    assert taken >= 4


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 2",
                b"content-length: 2",
                b"Content-Length:2",
                b"CONTENT-LENGTH: 2",
                b"Content-Length: 3",
                b"Content-Length : 2",
                b"Content-Type: a",
                b"Connection: keep-alive",
                b"Connection: close",
                b"connection: close",
                b"Transfer-Encoding: chunked",
                b"transfer-encoding: chunked",
                b"Date: a",
                b"X: a\nContent-Length: 3",
                b" Content-Length: 3",
                b"\tx",
                b"",
            ]
        ),
        max_size=6,
    ),
    st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n"]),
)
def test_the_fast_path_agrees_with_the_reader_on_any_headers(
    lines: list[bytes], body: bytes
) -> None:
    raw = HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    if response := usual(raw):
        read = Reader().feed(raw)
        assert read == response
        assert read is not None
        assert read.reusable == response.reusable


@pytest.mark.parametrize(
    ("second", "reusable"), [(b"keep-alive", True), (b"close", False), (b"Close", False)]
)
def test_connection_headers_are_one_list(second: bytes, reusable: bool) -> None:
    lines = b"Connection: keep-alive\r\nConnection: %b\r\nContent-Length: 2\r\n\r\n{}" % second
    response = Reader().feed(HEAD + lines)
    assert response is not None
    assert (response.body, response.reusable) == (b"{}", reusable)
    fast = usual(HEAD + lines)
    assert fast is None or fast.reusable == reusable


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 40))
def test_a_chunked_body_is_reassembled(chunks: list[bytes], size: int) -> None:
    raw = CHUNKED
    raw += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    reader = Reader()
    *incomplete, response = (reader.feed(raw[i : i + size]) for i in range(0, len(raw), size))
    assert not any(incomplete)
    assert response == Response(200, b"".join(chunks))


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = Reader()
    assert not reader.feed(HEAD + b"\r\nhel")
    assert not reader.feed(b"lo")
    response = reader.end()
    assert response == Response(200, b"hello")
    assert not response.reusable


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        HEAD + b"Content-Length: 5\r\n\r\nhell",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_connection_closed_early_yields_no_response(raw: bytes) -> None:
    reader = Reader()
    assert not reader.feed(raw)
    assert not reader.end()


@pytest.mark.parametrize("raw", [form[0] for form in FORMS if form[1] != 304])
def test_bytes_after_a_response_make_the_connection_unusable(raw: bytes) -> None:
    response = Reader().feed(raw + b"HTTP/1.1 200 OK\r\n")
    assert response
    assert not response.reusable


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1-200 OK\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: 99999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"fffffffff\r\n",
        CHUNKED + b"7fffffff\r\n",
        CHUNKED + b"1\r\nxy\r\n",
    ],
)
def test_a_malformed_response_is_rejected(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Reader().feed(raw)


@pytest.mark.parametrize(
    "start",
    [
        HEAD + b"X: ",
        CHUNKED + b"1;",
        CHUNKED + b"0\r\nX: ",
    ],
    ids=["head", "chunk extension", "trailer"],
)
def test_endless_lines_are_rejected(start: bytes) -> None:
    reader = Reader()
    reader.feed(start)
    with pytest.raises(Malformed, match="too large"):
        any(reader.feed(b"x" * 1000) for _ in range(2 * http1.MAX_HEAD // 1000))


@pytest.mark.parametrize("head", [HEAD + b"\r\n", CHUNKED], ids=["plain", "chunked"])
def test_an_endless_body_is_rejected(head: bytes) -> None:
    reader = Reader(max_body=10_000)
    reader.feed(head)
    with pytest.raises(Malformed, match="too large"):
        any(reader.feed(b"3e8\r\n" + b"x" * 1000 + b"\r\n") for _ in range(20))


def test_headers_are_found_whatever_their_case() -> None:
    response = Reader().feed(HEAD + b"Retry-After: 7\r\nX: a\r\nx: B\r\nContent-Length: 0\r\n\r\n")
    assert response
    assert response.header("retry-after") == "7"
    assert response.header("x") == "a"
    assert response.header("after") is None


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", INTERIM),
        (CHUNKED, b"1;" + b"e" * 200 + b"\r\nx\r\n"),
    ],
    ids=["interim responses", "chunk extensions"],
)
def test_a_response_that_never_ends_is_malformed_whatever_it_consists_of(
    start: bytes, piece: bytes
) -> None:
    reader = Reader(max_body=2000)
    reader.feed(start)
    pieces = (piece for _ in range(2 * http1.MAX_HEAD // len(piece)))
    with pytest.raises(Malformed, match="too large"):
        any(map(reader.feed, pieces))

"""The issuer's key server over TLS: what Herald sends, and which responses it refuses."""

import ipaddress
import pathlib
import ssl
from collections.abc import Iterator

import pytest
from cryptography import x509

from chalicelib import __version__
from chalicelib.engine.engine import Engine
from chalicelib.errors import ServiceError, SettingError
from chalicelib.sessions.key_server import MAX_BYTES, KeyServer
from tests.integration.certificates import Authority
from tests.integration.engine.scripted import Clock, Peer, Server, answer, each

pytestmark = pytest.mark.integration

DOCUMENT = b'{"keys":[]}'
HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def tls(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    return authority.server(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the session token")
    created = Engine(clock, backoff=lambda failures: 0.0)
    yield created
    created.close()


def test_the_document_is_fetched_with_heralds_user_agent(
    engine: Engine, tls: ssl.SSLContext
) -> None:
    with Server(each(answer(200, DOCUMENT)), tls=tls) as server:
        assert KeyServer(engine, f"{server.url}/keys?tenant=1").fetch() == DOCUMENT
    [request] = server.requests
    assert request.startswith(b"GET /keys?tenant=1 HTTP/1.1\r\n")
    assert f"\r\nUser-Agent: herald/{__version__}\r\n".encode() in request


def test_the_issuer_sees_no_credential_of_the_function(engine: Engine, tls: ssl.SSLContext) -> None:
    with Server(each(answer(200, DOCUMENT)), tls=tls) as server:
        KeyServer(engine, server.url).fetch()
    [request] = server.requests
    assert not any(word in request for word in (b"AKID", b"AWS4", b"session token"))
    assert b"uthorization" not in request


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(engine: Engine, tls: ssl.SSLContext, status: int) -> None:
    with Server(each(answer(200, DOCUMENT))) as plain:
        moved = answer(status, b"", f"Location: {plain.url}/keys")
        with Server(each(moved), tls=tls) as server:
            key_server = KeyServer(engine, f"{server.url}/keys")
            with pytest.raises(ServiceError, match="redirects are not followed"):
                key_server.fetch()
        assert plain.connections == 0


class Flood:
    """A server that sends as many bytes as the client reads, and counts them."""

    def __init__(self, head: bytes, piece: bytes, megabytes: int = 200) -> None:
        self._head, self._piece = head, piece
        self._pieces = megabytes * 1024 * 1024 // len(piece)
        self.sent = 0

    def __call__(self, peer: Peer) -> None:
        peer.read()
        try:
            peer.send(self._head)
            for _ in range(self._pieces):
                peer.send(self._piece)
                self.sent += len(self._piece)
        except OSError:  # the client has closed the connection
            return


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "announced": (HEAD + b"Content-Length: 209715200\r\n\r\n", b"x" * 4096),
    "until closed": (HEAD + b"\r\n", b"x" * 4096),
    "in chunks": (CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "chunk extensions": (CHUNKED, b"1;" + b"x" * 4096 + b"\r\nx\r\n"),
    "a header": (HEAD + b"X: ", b"x" * 4096),
    "interim responses": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
}


@pytest.mark.parametrize(("head", "piece"), FLOODS.values(), ids=FLOODS)
def test_an_answer_of_200_mb_is_not_read(
    engine: Engine, tls: ssl.SSLContext, head: bytes, piece: bytes
) -> None:
    flood = Flood(head, piece)
    with Server(flood, tls=tls) as server, pytest.raises(ServiceError, match="too large"):
        KeyServer(engine, server.url).fetch()
    assert flood.sent < 20 * 1024 * 1024, "what the sockets buffer, and no more"


def test_a_document_may_have_64_kb(engine: Engine, tls: ssl.SSLContext) -> None:
    largest = b" " * MAX_BYTES
    with Server(each(answer(200, largest), answer(200, largest + b" ")), tls=tls) as server:
        key_server = KeyServer(engine, server.url)
        assert key_server.fetch() == largest
        with pytest.raises(ServiceError, match="too large"):
            key_server.fetch()


class Trickle:
    """A server that sends single bytes, while the clock passes the deadline."""

    def __init__(self, head: bytes, clock: Clock) -> None:
        self._head = head
        self._clock = clock

    def __call__(self, peer: Peer) -> None:
        peer.read()
        peer.send(self._head)
        for sent in range(500):
            if peer.closed_within(0.02):
                return
            peer.send(b"x")
            if sent == 3:
                self._clock.leap()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"\r\n"], ids=["head", "body"])
def test_an_endless_slow_server_is_given_up_at_the_deadline(
    engine: Engine, clock: Clock, tls: ssl.SSLContext, head: bytes
) -> None:
    with Server(Trickle(head, clock), tls=tls) as server:
        with pytest.raises(ServiceError, match="deadline"):
            KeyServer(engine, server.url).fetch()
        assert server.ended.acquire(timeout=1), "the connection is closed"


def test_one_503_is_retried(engine: Engine, tls: ssl.SSLContext) -> None:
    with Server(each(answer(503), answer(200, DOCUMENT)), tls=tls) as server:
        assert KeyServer(engine, server.url).fetch() == DOCUMENT


@pytest.mark.parametrize("status", [204, 401, 403, 404, 500])
def test_any_other_status_is_a_failure(engine: Engine, tls: ssl.SSLContext, status: int) -> None:
    with Server(each(answer(status)), tls=tls) as server, pytest.raises(ServiceError) as failed:
        KeyServer(engine, server.url).fetch()
    assert failed.value.status == status


def test_an_untrusted_certificate_is_a_failure(
    engine: Engine, tls: ssl.SSLContext, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path / "other").bundle))
    with (
        Server(each(answer(200, DOCUMENT)), tls=tls) as server,
        pytest.raises(ServiceError, match="untrusted"),
    ):
        KeyServer(engine, server.url).fetch()
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "HTTPS//issuer.example",
        "https://",
        "https:///jwks",
        "https://user:password@issuer.example/jwks",
        "https://issuer.example/jwks#1",
        "https://issuer.example?x=1",
        "https://issuer.example/a b",
        "https://issuer.example/\r\nX: y",
        "https://bücher.example/jwks",
        "https://issuer.example:port/jwks",
        "",
    ],
)
def test_a_url_that_is_not_plain_https_is_a_setting_error(engine: Engine, url: str) -> None:
    with pytest.raises(SettingError, match="HERALD_JWT_JWKS_URL"):
        KeyServer(engine, url)

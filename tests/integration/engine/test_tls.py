"""The engine over TLS, with a certificate authority made for the tests."""

import ipaddress
import pathlib
import ssl
import time

import botocore
import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from chalicelib.engine import endpoint
from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from tests.integration.certificates import Authority
from tests.integration.engine.scripted import OK, OKAY, Peer, Server, answer, each, echo


@pytest.fixture
def authority(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    created = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(created.bundle))
    return created


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    return authority.server(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def at(server: Server, **options: object) -> Endpoint:
    return Endpoint(server.url, "execute-api", "eu-central-1", **options)  # type: ignore[arg-type]


def post(to: Endpoint, body: bytes = b"x", **options: object) -> Request:
    return Request(to, "POST", "/", body, **options)  # type: ignore[arg-type]


def test_connections_are_verified_and_reused(running: Engine, context: ssl.SSLContext) -> None:
    with Server(echo, tls=context) as server:
        to = at(server, max_connections=3)
        results: list[bytes] = []
        for number in range(60):
            running.submit(post(to, b"%d" % number), lambda result: results.append(result.body))
        running.run(time.monotonic() + 10)
        assert running.call(post(to), 5).body == b"x"
    assert sorted(map(int, results)) == list(range(60))
    assert server.connections <= 3


def test_later_connections_resume_the_session(running: Engine, context: ssl.SSLContext) -> None:
    resumed: list[bool | None] = []

    def note(peer: Peer) -> None:
        assert isinstance(peer.connection, ssl.SSLSocket)
        peer.read()
        resumed.append(peer.connection.session_reused)
        peer.send(answer(200, b"ok", "Connection: close"))

    with Server(note, tls=context) as server:
        to = at(server)
        for _ in range(3):
            assert running.call(post(to), 5) == OKAY
    assert resumed == [False, True, True]


def test_megabytes_go_both_ways(running: Engine, context: ssl.SSLContext) -> None:
    body = bytes(range(256)) * 40_000
    with Server(echo, tls=context) as server:
        assert running.call(post(at(server), body), 20) == Response(200, body, "")


def test_a_response_may_arrive_byte_by_byte(running: Engine, context: ssl.SSLContext) -> None:
    def drip(peer: Peer) -> None:
        peer.read()
        for byte in OK:
            peer.send(bytes((byte,)))

    with Server(drip, tls=context) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_bytes_after_the_response_close_the_connection(
    running: Engine, context: ssl.SSLContext
) -> None:
    def ramble(peer: Peer) -> None:
        peer.read()
        peer.send(OK + answer(500))
        peer.hang()

    with Server(ramble, tls=context) as server:
        to = at(server)
        assert [running.call(post(to), 5) for _ in range(2)] == [OKAY] * 2
    assert server.connections == 2


def test_a_connection_closed_while_the_function_was_frozen_is_not_reused(
    running: Engine, context: ssl.SSLContext
) -> None:
    def once(peer: Peer) -> None:
        peer.read()
        peer.send(OK)

    with Server(once, each(OK), tls=context) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        assert server.ended.acquire(timeout=5)
        assert running.call(post(to, idempotent=False, attempts=1), 5) == OKAY
    assert server.connections == 2


def test_a_certificate_for_another_host_is_untrusted(running: Engine, authority: Authority) -> None:
    with Server(each(OK), tls=authority.server(x509.DNSName("other.test"))) as server:
        result = running.call(post(at(server)), 5)
    assert result.status == 0
    assert result.reason.startswith("untrusted: ")
    assert "IP address mismatch" in result.reason
    assert server.connections == 1  # not retried
    assert server.requests == []


def test_a_certificate_of_another_authority_is_untrusted(
    running: Engine,
    context: ssl.SSLContext,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path / "other").bundle))
    with Server(each(OK), tls=context) as server:
        result = running.call(post(at(server)), 5)
    assert result.reason.startswith("untrusted: ")
    assert server.requests == []


def test_a_host_without_tls_is_reported_as_reset(running: Engine) -> None:
    def plain(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(answer(400))

    with Server(plain) as server:
        to = Endpoint(server.url.replace("http:", "https:"), "execute-api", "eu-central-1")
        assert running.call(post(to, attempts=1), 5).reason.startswith("reset: ")


def test_a_handshake_that_hangs_is_a_timeout(running: Engine) -> None:
    with Server(Peer.hang) as server:
        to = Endpoint(
            server.url.replace("http:", "https:"),
            "execute-api",
            "eu-central-1",
            connect_timeout=0.1,
        )
        assert running.call(post(to, attempts=2, idempotent=False), 5).reason == "timeout"
        assert all(server.ended.acquire(timeout=5) for _ in range(2))
    assert server.connections == 2  # nothing was sent, so a retry is safe


def test_a_body_cut_off_without_a_tls_close_is_incomplete(
    running: Engine, context: ssl.SSLContext
) -> None:
    def cut(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf a bo")
        # a FIN without close_notify, which an attacker in the network could send
        peer.connection.close()

    with Server(cut, tls=context) as server:
        assert running.call(post(at(server)), 5).reason.startswith("reset: ")


# --- trust ---


def roots(bundle: str | pathlib.Path) -> set[bytes]:
    certificates = x509.load_pem_x509_certificates(pathlib.Path(bundle).read_bytes())
    return {certificate.fingerprint(hashes.SHA256()) for certificate in certificates}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize(
    "bundle", [certifi.where(), pathlib.Path(botocore.__file__).with_name("cacert.pem")]
)
def test_amazons_roots_are_in_the_public_bundles(bundle: str | pathlib.Path) -> None:
    ours = roots(pathlib.Path(endpoint.__file__).with_name("amazon_roots.pem"))
    assert len(ours) == 5
    assert ours <= roots(bundle)


def trusted(host: str) -> set[str]:
    context = endpoint.trust(host)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    return {str(certificate["subject"]) for certificate in context.get_ca_certs()}


@pytest.mark.parametrize(
    "host", ["abc.execute-api.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.api.aws"]
)
def test_amazons_own_hosts_are_verified_against_amazons_roots(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    subjects = trusted(host)
    assert sum("Amazon Root CA" in subject for subject in subjects) == 4
    assert len(subjects) == 5


def test_other_hosts_are_verified_against_the_systems_roots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: loaded.append(True))
    loaded: list[bool] = []
    assert endpoint.trust("ws.example.com").check_hostname
    assert loaded


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_in_the_environment_takes_precedence(
    variable: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(Authority(tmp_path).bundle))
    (subject,) = trusted("abc.execute-api.eu-central-1.amazonaws.com")
    assert "Test Root" in subject

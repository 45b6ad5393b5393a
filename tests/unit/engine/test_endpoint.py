"""Endpoints: URLs, addresses and rate, on a clock controlled by the test."""

import socket

import pytest

from chalicelib.engine import endpoint
from chalicelib.engine.endpoint import Endpoint, TokenBucket
from chalicelib.engine.sigv4 import Credentials


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("http://a.test", "a.test", "a.test"),
        ("http://a.test:8080/x/y/", "a.test:8080", "a.test"),
        ("http://[::1]:8080/", "[::1]:8080", "::1"),
        ("http://[::1]", "[::1]", "::1"),
    ],
)
def test_urls_are_parsed(url: str, host: str, name: str) -> None:
    to = Endpoint(url, "execute-api", "eu-central-1")
    assert (to.host, to.name) == (host, name)


@pytest.mark.parametrize("url", ["a.test", "ftp://a.test", "://", "http:/a.test"])
def test_a_url_that_is_not_http_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        Endpoint(url, "execute-api", "eu-central-1")


def test_addresses_are_refreshed_and_kept_if_the_lookup_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    to = Endpoint("http://127.0.0.1:1", "dynamodb", "eu-central-1")
    first = to.addresses(0.0)
    looked_up: list[object] = []

    def fail(*args: object, **options: object) -> None:
        looked_up.append(args)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert to.addresses(endpoint.ADDRESS_LIFE - 1) == first
    assert not looked_up
    assert to.addresses(endpoint.ADDRESS_LIFE + 1) == first
    assert looked_up


def test_a_bucket_allows_half_a_second_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(10)
    now = 50.0
    assert [bucket.take(now) for _ in range(6)] == [0.0] * 5 + [pytest.approx(0.1)]
    taken = 0
    for tick in range(1, 1001):
        taken += bucket.take(now + tick / 100) == 0.0
    assert taken == pytest.approx(100, abs=1)
    assert [bucket.take(now + 100) for _ in range(6)][:5] == [0.0] * 5
    assert bucket.take(now + 100) > 0


def test_a_bucket_slows_down_when_throttled_and_recovers_after_successes() -> None:
    bucket = TokenBucket(100)
    for _ in range(5):
        bucket.answered(refused=True)
    assert bucket.pace == pytest.approx(59, abs=1)
    for _ in range(100):
        bucket.answered(refused=True)
    assert bucket.pace == 5
    for _ in range(95):
        bucket.answered(refused=False)
    assert bucket.pace == pytest.approx(100)
    bucket.answered(refused=False)
    assert bucket.pace == pytest.approx(100)


def test_a_bucket_may_allow_more_at_once_than_half_a_second_of_its_rate() -> None:
    bucket = TokenBucket(0.1, burst=3)
    assert [bucket.take(50.0) for _ in range(4)] == [0.0] * 3 + [pytest.approx(10)]
    assert [bucket.take(60.5) > 0 for _ in range(2)] == [False, True]


def test_a_host_outside_aws_sees_no_credential() -> None:
    to = Endpoint("https://issuer.test:8443/a/")
    key = Credentials("AKID", "secret", "session")
    sent = to.signer.request("GET", "/jwks?x=1", (("Accept", "*/*"),), b"", key, 1)
    assert sent == b"GET /a/jwks?x=1 HTTP/1.1\r\nHost: issuer.test:8443\r\nAccept: */*\r\n\r\n"
    assert to.signer.request("POST", "/", (), b"xy", key, 1).endswith(
        b"Content-Length: 2\r\n\r\nxy"
    )

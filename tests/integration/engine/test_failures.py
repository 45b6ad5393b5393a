"""Failures, and which of them are retried."""

import socket
import time
from collections.abc import Callable

import pytest

from chalicelib.engine import http1
from chalicelib.engine.engine import Endpoint, Engine, Response
from tests.integration.engine.scripted import (
    OK,
    OKAY,
    Clock,
    Peer,
    Server,
    answer,
    at,
    close_after,
    each,
    post,
    reset_unanswered,
    too_late,
)


def test_a_port_without_a_listener_is_refused(running: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    to = Endpoint(f"http://127.0.0.1:{port}", "dynamodb", "eu-central-1")
    assert running.call(post(to, idempotent=False), 5).reason == "refused: Connection refused"


def test_an_unknown_host_is_unresolved(running: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    to = Endpoint("http://nowhere.invalid", "dynamodb", "eu-central-1")
    assert running.call(post(to), 5).reason.startswith("unresolved: ")


def test_the_next_address_is_tried_when_one_refuses(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, **options: object) -> list[object]:
        looked_up.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    looked_up: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Server(close_after(OK)) as server:
        to = Endpoint(f"http://two.test:{server.port}", "dynamodb", "eu-central-1")
        assert [running.call(post(to, attempts=1), 5) for _ in range(3)] == [OKAY] * 3
    assert looked_up == ["two.test"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (reset_unanswered, "reset"),
        (lambda peer: peer.read(), "reset: closed by the peer"),
        (None, "timeout"),
    ],
    ids=["reset", "closed", "hung"],
)
def test_a_failure_before_any_response_is_retried(
    running: Engine, clock: Clock, script: Callable[[Peer], None] | None, reason: str
) -> None:
    fail = script or too_late(clock)
    with Server(fail, fail, each(OK)) as server:
        assert running.call(post(at(server)), 60) == OKAY
    assert len(server.requests) == 3
    with Server(fail) as server:
        result = running.call(post(at(server), attempts=2), 60)
    assert (result.status, result.body) == (0, b"")
    assert result.reason.startswith(reason)
    assert len(server.requests) == 2


@pytest.mark.parametrize("script", [reset_unanswered, None], ids=["reset", "hung"])
def test_a_request_that_is_not_idempotent_is_sent_once(
    running: Engine, clock: Clock, script: Callable[[Peer], None] | None
) -> None:
    with Server(script or too_late(clock)) as server:
        assert running.call(post(at(server), idempotent=False), 60).status == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", range(1, len(OK)))
def test_a_truncated_response_is_not_retried(running: Engine, cut: int) -> None:
    with Server(close_after(OK[:cut])) as server:
        assert running.call(post(at(server)), 5).reason == "reset: closed by the peer"
    assert len(server.requests) == 1


def test_a_stalled_response_is_a_timeout(running: Engine, clock: Clock) -> None:
    def stall(peer: Peer) -> None:
        peer.read()
        peer.send(OK[:-1])
        clock.leap()
        peer.hang()

    with Server(stall) as server:
        result = running.call(post(at(server), attempts=1), 60)
    assert result == Response(0, b"", "timeout")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "malformed: not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "malformed: the head is too large"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (http1.MAX_BODY + 1),
            "malformed: the body is too large",
        ),
    ],
    ids=["garbage", "head", "body"],
)
def test_an_unacceptable_response_is_malformed(running: Engine, said: bytes, reason: str) -> None:
    def say(peer: Peer) -> None:
        peer.read()
        peer.send(said)
        peer.hang()

    with Server(say) as server:
        assert running.call(post(at(server)), 5) == Response(0, b"", reason)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_throttled_or_failed_request_is_retried(running: Engine, status: int) -> None:
    with Server(each(answer(status), answer(status), OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY
    assert len(server.requests) == 3


def test_the_last_response_is_the_result_when_no_attempt_is_left(running: Engine) -> None:
    with Server(each(answer(503, b"1"), answer(503, b"2"), answer(503, b"3"))) as server:
        assert running.call(post(at(server), attempts=3), 5) == Response(503, b"3", "")
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "requests"), [(429, 2), (503, 2), (500, 1), (502, 1)])
def test_an_ambiguous_status_is_final_unless_the_request_is_idempotent(
    running: Engine, status: int, requests: int
) -> None:
    with Server(each(answer(status), OK)) as server:
        result = running.call(post(at(server), idempotent=False), 5)
    assert result.status == (200 if requests == 2 else status)
    assert len(server.requests) == requests


def test_a_service_may_signal_throttling_in_its_own_way(running: Engine) -> None:
    throttled = answer(400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}')
    with Server(each(throttled, OK)) as server:
        to = at(server, retryable=lambda status, body: b"ThrottlingException" in body)
        assert running.call(post(to), 5) == OKAY


def test_retry_after_is_honoured(running: Engine) -> None:
    began = time.monotonic()
    with Server(each(answer(503, b"", "Retry-After: 1"), OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY
    assert time.monotonic() - began >= 1


def test_a_retry_after_the_deadline_is_not_awaited(running: Engine) -> None:
    began = time.monotonic()
    with Server(each(answer(503, b"busy", "Retry-After: 19"))) as server:
        assert running.call(post(at(server)), 10) == Response(503, b"busy", "")
    assert time.monotonic() - began < 5

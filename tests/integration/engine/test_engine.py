"""Requests, responses and the connections that carry them."""

import select
import threading
import time

import pytest

from chalicelib.engine import engine
from chalicelib.engine.engine import Engine, Response
from tests.integration.engine.scripted import (
    OK,
    OKAY,
    Peer,
    Server,
    answer,
    at,
    close_after,
    each,
    echo,
    post,
    reset_unanswered,
)


def test_a_request_is_signed_and_complete(running: Engine) -> None:
    with Server(each(OK)) as server:
        assert running.call(post(at(server), b"hi"), 5) == OKAY
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /prod/@connections/a%3D HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Content-Length: 2" in lines
    assert "X-Amz-Security-Token: token" in lines
    assert any(line.startswith("Authorization: AWS4-HMAC-SHA256 Cred") for line in lines)
    assert body == b"hi"


@pytest.mark.parametrize("status", [201, 400, 403, 410, 413])
def test_a_final_status_is_returned_at_once(running: Engine, status: int) -> None:
    with Server(each(answer(status, b"why"))) as server:
        assert running.call(post(at(server)), 5) == Response(status, b"why", "")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "form",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["chunked", "interim", "until close", "HTTP/1.0"],
)
def test_every_form_of_response_is_understood(running: Engine, form: bytes) -> None:
    with Server(close_after(form)) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_a_response_may_arrive_byte_by_byte(running: Engine) -> None:
    def drip(peer: Peer) -> None:
        peer.read()
        for byte in OK:
            peer.send(bytes((byte,)))

    with Server(drip) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_megabytes_go_both_ways(running: Engine) -> None:
    body = bytes(range(256)) * 60_000
    with Server(echo) as server:
        assert running.call(post(at(server), body), 20) == Response(200, body, "")


def test_a_response_before_the_request_is_fully_sent_is_accepted(running: Engine) -> None:
    def refuse(peer: Peer) -> None:
        peer.connection.recv(1)
        peer.send(answer(413, b"too large"))
        peer.ignore()

    with Server(refuse) as server:
        to = at(server)
        for _ in range(2):
            result = running.call(post(to, bytes(20_000_000), attempts=1), 5)
            assert result == Response(413, b"too large", "")
    assert server.connections == 2  # a connection with a half-sent request is not reused


def test_connections_are_reused_across_runs(running: Engine) -> None:
    with Server(each(OK)) as server:
        to = at(server)
        for _ in range(5):
            assert running.call(post(to), 5) == OKAY
    assert server.connections == 1


@pytest.mark.parametrize("with_epoll", [True, False])
def test_many_requests_share_a_bounded_number_of_connections(
    monkeypatch: pytest.MonkeyPatch, with_epoll: bool
) -> None:
    if not with_epoll:
        monkeypatch.delattr(select, "epoll", raising=False)
    running = Engine()
    bodies = [str(i).encode() for i in range(300)]
    results: list[bytes] = []
    with Server(echo) as server:
        to = at(server, max_connections=7)
        for body in bodies:
            running.submit(post(to, body), lambda result: results.append(result.body))
        running.run(time.monotonic() + 20)
        running.close()
    assert sorted(results) == sorted(bodies)
    assert server.connections <= 7


@pytest.mark.parametrize(
    "last", [answer(200, b"ok", "Connection: close"), OK + b"HTTP/1.1 200 O", OK + OK]
)
def test_a_connection_is_closed_if_the_response_says_so_or_has_extra_bytes(
    running: Engine, last: bytes
) -> None:
    with Server(each(last)) as server:
        to = at(server)
        assert [running.call(post(to), 5) for _ in range(3)] == [OKAY] * 3
    assert server.connections == 3


def test_a_connection_closed_while_the_function_was_frozen_is_not_reused(running: Engine) -> None:
    with Server(close_after(OK), each(OK)) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        assert server.ended.acquire(timeout=5)  # the peer has closed the connection
        assert running.call(post(to, idempotent=False, attempts=1), 5) == OKAY
    assert server.connections == 2


def test_idle_connections_are_checked_without_waiting(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder:
        def __init__(self, poller: select.epoll) -> None:
            self._poller = poller

        def __getattr__(self, name: str) -> object:
            return getattr(self._poller, name)

        def poll(self, timeout: float) -> list[tuple[int, int]]:
            waits.append(timeout)
            return self._poller.poll(timeout)

    waits: list[float] = []
    monkeypatch.setattr(running, "_poller", Recorder(running._poller))
    with Server(each(OK)) as server:
        to = at(server)
        assert [running.call(post(to), 5) for _ in range(2)] == [OKAY] * 2
    assert waits[0] == 0
    assert waits.count(0) == 2


def test_an_idle_connection_with_unsolicited_bytes_is_closed(running: Engine) -> None:
    spoken = threading.Event()

    def babble(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        assert asked.wait(5)
        peer.send(answer(500))
        spoken.set()
        peer.hang()

    asked = threading.Event()
    with Server(babble, each(OK)) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        asked.set()
        assert spoken.wait(5)
        assert running.call(post(to), 5) == OKAY
    assert server.connections == 2


def test_a_request_lost_on_a_dead_connection_is_resent_without_using_an_attempt(
    running: Engine,
) -> None:
    def die_at_the_second(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        reset_unanswered(peer)

    with Server(die_at_the_second, each(OK)) as server:
        to = at(server)
        assert [running.call(post(to, attempts=1), 5) for _ in range(2)] == [OKAY] * 2
    assert len(server.requests) == 3


def test_a_request_lost_on_a_dead_connection_is_not_resent_unless_idempotent(
    running: Engine,
) -> None:
    def die_at_the_second(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        reset_unanswered(peer)

    with Server(die_at_the_second) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        result = running.call(post(to, idempotent=False), 5)
    assert (result.status, result.reason.partition(":")[0]) == (0, "reset")
    assert len(server.requests) == 2


def test_one_dead_connection_discards_the_other_idle_ones(running: Engine) -> None:
    together = threading.Barrier(3, timeout=10)

    def die_at_the_second(peer: Peer) -> None:
        peer.read()
        together.wait()
        peer.send(OK)
        reset_unanswered(peer)

    with Server(*[die_at_the_second] * 3, each(OK)) as server:
        to = at(server)
        results: list[Response] = []
        for _ in range(3):
            running.submit(post(to), results.append)
        running.run(time.monotonic() + 10)
        assert server.connections == 3
        assert running.call(post(to), 5) == OKAY
    assert results == [OKAY] * 3
    assert server.connections == 4
    assert len(server.requests) == 5


def test_a_connection_idle_for_too_long_is_not_reused() -> None:
    now = [1000.0]
    running = Engine(clock=lambda: now[0])
    with Server(each(OK)) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        now[0] += engine.IDLE_LIFE + 1
        assert running.call(post(to), 5) == OKAY
        running.close()
    assert server.connections == 2

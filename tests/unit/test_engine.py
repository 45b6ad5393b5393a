"""The engine against a real server that follows a script per connection."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chalicelib import engine, http1
from chalicelib.engine import Endpoint, Engine, Request, Result
from tests.unit.scripted import OK, Peer, Server, answer, each

OKAY = Result(200, b"ok", "")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setattr(engine, "backoff", lambda failures: 0.0)


@pytest.fixture
def running() -> Iterator[Engine]:
    created = Engine()
    yield created
    created.close()


def at(server: Server, **options: object) -> Endpoint:
    return Endpoint(f"{server.url}/prod", "execute-api", "eu-central-1", **options)  # type: ignore[arg-type]


def post(to: Endpoint, body: bytes = b"x", **options: object) -> Request:
    return Request(to, "POST", "/@connections/a%3D", body, **options)  # type: ignore[arg-type]


def close_after(*answers: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for given in answers:
            peer.read()
            peer.send(given)

    return script


def reset_unanswered(peer: Peer) -> None:
    peer.read()
    peer.reset()


def hang(peer: Peer) -> None:
    peer.read()
    peer.hang()


def echo(peer: Peer) -> None:
    while request := peer.read():
        peer.send(answer(200, request.partition(b"\r\n\r\n")[2]))


# What is sent and what comes back


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
def test_a_final_status_is_the_result_at_once(running: Engine, status: int) -> None:
    with Server(each(answer(status, b"why"))) as server:
        assert running.call(post(at(server)), 5) == Result(status, b"why", "")
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
def test_every_form_of_answer_is_understood(running: Engine, form: bytes) -> None:
    with Server(close_after(form)) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_an_answer_may_come_byte_by_byte(running: Engine) -> None:
    def drip(peer: Peer) -> None:
        peer.read()
        for byte in OK:
            peer.send(bytes((byte,)))

    with Server(drip) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_megabytes_go_both_ways(running: Engine) -> None:
    body = bytes(range(256)) * 60_000
    with Server(echo) as server:
        assert running.call(post(at(server), body), 20) == Result(200, body, "")


def test_an_answer_before_the_request_is_all_sent_is_taken(running: Engine) -> None:
    def refuse(peer: Peer) -> None:
        peer.connection.recv(1)
        peer.send(answer(413, b"too large"))
        peer.hang()

    with Server(refuse) as server:
        to = at(server)
        for _ in range(2):
            result = running.call(post(to, bytes(20_000_000), attempts=1), 5)
            assert result == Result(413, b"too large", "")
    assert server.connections == 2  # a half-sent request leaves no usable connection


# Connections


def test_connections_are_kept_across_runs(running: Engine) -> None:
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
def test_a_connection_is_left_where_the_answer_says_so_or_has_too_much(
    running: Engine, last: bytes
) -> None:
    with Server(each(last)) as server:
        to = at(server)
        assert [running.call(post(to), 5) for _ in range(3)] == [OKAY] * 3
    assert server.connections == 3


def test_a_connection_closed_while_frozen_is_noticed_before_it_is_used(running: Engine) -> None:
    with Server(close_after(OK), each(OK)) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        assert server.ended.acquire(timeout=5)  # the peer's FIN is here
        assert running.call(post(to, idempotent=False, attempts=1), 5) == OKAY
    assert server.connections == 2


def test_idle_connections_are_looked_at_without_waiting(
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


def test_an_idle_connection_that_spoke_unasked_is_left(running: Engine) -> None:
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


def test_a_request_lost_on_a_dead_connection_is_sent_once_more_beside_its_tries(
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


def test_what_may_have_been_done_is_not_sent_again_unless_idempotent(running: Engine) -> None:
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


def test_one_dead_connection_condemns_the_idle_ones_beside_it(running: Engine) -> None:
    together = threading.Barrier(3, timeout=10)

    def die_at_the_second(peer: Peer) -> None:
        peer.read()
        together.wait()
        peer.send(OK)
        reset_unanswered(peer)

    with Server(*[die_at_the_second] * 3, each(OK)) as server:
        to = at(server)
        results: list[Result] = []
        for _ in range(3):
            running.submit(post(to), results.append)
        running.run(time.monotonic() + 10)
        assert server.connections == 3
        assert running.call(post(to), 5) == OKAY
    assert results == [OKAY] * 3
    assert server.connections == 4
    assert len(server.requests) == 5


def test_a_connection_idle_for_too_long_is_not_used() -> None:
    now = [1000.0]
    running = Engine(clock=lambda: now[0])
    with Server(each(OK)) as server:
        to = at(server)
        assert running.call(post(to), 5) == OKAY
        now[0] += engine.IDLE_LIFE + 1
        assert running.call(post(to), 5) == OKAY
        running.close()
    assert server.connections == 2


# Failures and tries


def test_nobody_listening_is_refused(running: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    to = Endpoint(f"http://127.0.0.1:{port}", "dynamodb", "eu-central-1")
    assert running.call(post(to, idempotent=False), 5).reason == "refused: Connection refused"


def test_a_host_without_address_is_unresolved(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    to = Endpoint("http://nowhere.invalid", "dynamodb", "eu-central-1")
    assert running.call(post(to), 5).reason.startswith("unresolved: ")


def test_the_next_address_is_tried_where_one_refuses(
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
        (hang, "timeout"),
    ],
    ids=["reset", "closed", "hung"],
)
def test_what_no_byte_answered_is_tried_again(
    running: Engine, script: Callable[[Peer], None], reason: str
) -> None:
    with Server(script, script, each(OK)) as server:
        to = at(server, timeout=0.1)
        assert running.call(post(to), 5) == OKAY
    assert len(server.requests) == 3
    with Server(script) as server:
        result = running.call(post(at(server, timeout=0.1), attempts=2), 5)
    assert (result.status, result.body) == (0, b"")
    assert result.reason.startswith(reason)
    assert len(server.requests) == 2


@pytest.mark.parametrize("script", [reset_unanswered, hang], ids=["reset", "hung"])
def test_what_may_have_been_done_is_tried_once(
    running: Engine, script: Callable[[Peer], None]
) -> None:
    with Server(script) as server:
        assert running.call(post(at(server, timeout=0.1), idempotent=False), 5).status == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", range(1, len(OK)))
def test_an_answer_cut_short_is_not_asked_for_again(running: Engine, cut: int) -> None:
    with Server(close_after(OK[:cut])) as server:
        assert running.call(post(at(server)), 5).reason == "reset: closed by the peer"
    assert len(server.requests) == 1


def test_an_answer_that_stalls_is_a_timeout(running: Engine) -> None:
    def stall(peer: Peer) -> None:
        peer.read()
        peer.send(OK[:-1])
        peer.hang()

    with Server(stall) as server:
        assert running.call(post(at(server, timeout=0.1)), 5) == Result(0, b"", "timeout")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "malformed: not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "malformed: the head is too large"),
        (answer(200, b"x" * 200), "malformed: the body is too large"),
    ],
    ids=["garbage", "head", "body"],
)
def test_an_unacceptable_answer_is_malformed(
    running: Engine, said: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "MAX_BODY", 100)

    def say(peer: Peer) -> None:
        peer.read()
        peer.send(said)
        peer.hang()

    with Server(say) as server:
        assert running.call(post(at(server)), 5) == Result(0, b"", reason)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_throttled_or_failed_request_is_tried_again(running: Engine, status: int) -> None:
    with Server(each(answer(status), answer(status), OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY
    assert len(server.requests) == 3


def test_the_last_answer_is_the_result_when_no_try_is_left(running: Engine) -> None:
    with Server(each(answer(503, b"1"), answer(503, b"2"), answer(503, b"3"))) as server:
        assert running.call(post(at(server), attempts=3), 5) == Result(503, b"3", "")
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "requests"), [(429, 2), (503, 2), (500, 1), (502, 1)])
def test_a_status_that_may_follow_the_deed_is_final_unless_idempotent(
    running: Engine, status: int, requests: int
) -> None:
    with Server(each(answer(status), OK)) as server:
        result = running.call(post(at(server), idempotent=False), 5)
    assert result.status == (200 if requests == 2 else status)
    assert len(server.requests) == requests


def test_a_service_may_say_throttled_in_its_own_way(running: Engine) -> None:
    throttled = answer(400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}')
    with Server(each(throttled, OK)) as server:
        to = at(server, retryable=lambda status, body: b"ThrottlingException" in body)
        assert running.call(post(to), 5) == OKAY


def test_retry_after_is_obeyed(running: Engine) -> None:
    began = time.monotonic()
    with Server(each(answer(503, b"", "Retry-After: 1"), OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY
    assert time.monotonic() - began >= 1


def test_a_try_that_would_come_after_the_deadline_is_not_waited_for(running: Engine) -> None:
    began = time.monotonic()
    with Server(each(answer(503, b"busy", "Retry-After: 19"))) as server:
        assert running.call(post(at(server)), 10) == Result(503, b"busy", "")
    assert time.monotonic() - began < 5


# Independence, deadline, callbacks


def test_a_hung_request_delays_no_other(running: Engine) -> None:
    order: list[str] = []
    with Server(hang, echo) as server:
        to = at(server, timeout=0.5)

        def follow(result: Result) -> None:
            order.append(result.body.decode())
            if len(order) < 20:
                running.submit(post(to, b"%d" % len(order)), follow)

        running.submit(post(to, attempts=1), lambda result: order.append(result.reason))
        running.submit(post(to, b"0"), follow)
        running.run(time.monotonic() + 10)
    assert order == [str(i) for i in range(20)] + ["timeout"]


def test_callbacks_may_go_on_to_other_endpoints(running: Engine) -> None:
    posted: list[Result] = []
    with Server(echo) as database, Server(echo) as gateway:
        tables, connections = at(database), at(gateway)

        def found(result: Result) -> None:
            for name in result.body.decode().split():
                running.submit(post(connections, name.encode()), posted.append)

        running.submit(post(tables, b"a b c"), found)
        running.submit(post(tables, b"d"), found)
        running.run(time.monotonic() + 5)
    assert sorted(result.body for result in posted) == [b"a", b"b", b"c", b"d"]


def test_at_the_deadline_everything_left_ends(running: Engine) -> None:
    results: list[Result] = []

    def once_more(result: Result) -> None:
        results.append(result)
        running.submit(post(to), results.append)

    with Server(hang) as server:
        to = at(server, max_connections=2)
        for _ in range(4):
            running.submit(post(to), once_more)
        running.run(time.monotonic() + 0.1)
        assert results == [Result(0, b"", "deadline")] * 8
    with Server(each(OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_nothing_is_sent_after_the_deadline(running: Engine) -> None:
    with Server(each(OK)) as server:
        assert running.call(post(at(server)), 0.0) == Result(0, b"", "deadline")
    assert server.connections == 0


def test_an_exception_in_a_callback_ends_the_run_and_the_next_is_clean(running: Engine) -> None:
    def fail(result: Result) -> None:
        raise LookupError(result.body)

    unexpected: list[Result] = []
    with Server(each(OK), hang, each(OK)) as server:
        to = at(server, max_connections=2)
        running.submit(post(to), fail)
        for _ in range(5):
            running.submit(post(to), unexpected.append)
        with pytest.raises(LookupError, match="ok"):
            running.run(time.monotonic() + 10)
        assert running.call(post(to), 5) == OKAY
        began = time.monotonic()
        running.run(began + 10)  # nothing is left to do
        assert time.monotonic() - began < 5
    assert len(server.requests) <= 4
    assert len(unexpected) <= 1


def test_an_interrupted_run_leaves_the_next_one_clean(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> float:
        raise KeyboardInterrupt

    with Server(each(OK)) as server:
        to = at(server)
        running.submit(post(to), lambda result: pytest.fail("dropped"))
        with monkeypatch.context() as patch:
            patch.setattr(running, "_schedule", interrupt)
            with pytest.raises(KeyboardInterrupt):
                running.run(time.monotonic() + 5)
        assert running.call(post(to), 5) == OKAY


def test_run_within_run_is_refused(running: Engine) -> None:
    with Server(each(OK)) as server:
        to = at(server)
        running.submit(post(to), lambda result: running.run(0.0))
        with pytest.raises(RuntimeError, match="submit"):
            running.run(time.monotonic() + 5)
        assert running.call(post(to), 5) == OKAY


def test_changed_credentials_are_used_at_once(
    running: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(each(OK)) as server:
        to = at(server)
        running.call(post(to), 5)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
        monkeypatch.delenv("AWS_SESSION_TOKEN")
        running.call(post(to), 5)
    assert b"Credential=AKID/" in server.requests[0]
    assert b"Credential=OTHER/" in server.requests[1]
    assert b"Security-Token" not in server.requests[1]


# Pace


def test_requests_keep_to_the_rate(running: Engine) -> None:
    results: list[Result] = []
    began = time.monotonic()
    with Server(each(OK)) as server:
        to = at(server, rate=100)
        for _ in range(70):
            running.submit(post(to), results.append)
        running.run(began + 10)
    assert results == [OKAY] * 70
    assert time.monotonic() - began >= 0.2  # 50 at once, then 20 at 100 per second


def test_refusals_slow_the_endpoint(running: Engine) -> None:
    with Server(each(answer(429), answer(429), OK)) as server:
        to = at(server, rate=100)
        assert to.bucket is not None
        assert running.call(post(to), 5) == OKAY
        assert 80 < to.bucket.pace < 90

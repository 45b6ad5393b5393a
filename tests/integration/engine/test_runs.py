"""Many requests in one run: independence, deadline, callbacks, rate."""

import time

import pytest

from chalicelib.engine.engine import Engine, Response
from tests.integration.engine.scripted import (
    OK,
    OKAY,
    Clock,
    Server,
    answer,
    at,
    each,
    echo,
    hang,
    post,
)


def test_a_hung_request_does_not_delay_others(running: Engine, clock: Clock) -> None:
    order: list[str] = []
    with Server(hang, echo) as server:
        to = at(server)

        def follow(result: Response) -> None:
            order.append(result.body.decode())
            if len(order) < 20:
                running.submit(post(to, b"%d" % len(order)), follow)
            else:
                clock.leap()

        running.submit(post(to, attempts=1), lambda result: order.append(result.reason))
        running.submit(post(to, b"0"), follow)
        running.run(clock() + 60)
    assert order == [str(i) for i in range(20)] + ["timeout"]


def test_callbacks_may_submit_requests_to_other_endpoints(running: Engine) -> None:
    posted: list[Response] = []
    with Server(echo) as database, Server(echo) as gateway:
        tables, connections = at(database), at(gateway)

        def found(result: Response) -> None:
            for name in result.body.decode().split():
                running.submit(post(connections, name.encode()), posted.append)

        running.submit(post(tables, b"a b c"), found)
        running.submit(post(tables, b"d"), found)
        running.run(time.monotonic() + 5)
    assert sorted(result.body for result in posted) == [b"a", b"b", b"c", b"d"]


def test_at_the_deadline_all_remaining_requests_end(running: Engine) -> None:
    results: list[Response] = []

    def once_more(result: Response) -> None:
        results.append(result)
        running.submit(post(to), results.append)

    with Server(hang) as server:
        to = at(server, max_connections=2)
        for _ in range(4):
            running.submit(post(to), once_more)
        running.run(time.monotonic() + 0.1)
        assert results == [Response(0, b"", "deadline")] * 8
    with Server(each(OK)) as server:
        assert running.call(post(at(server)), 5) == OKAY


def test_nothing_is_sent_after_the_deadline(running: Engine) -> None:
    with Server(each(OK)) as server:
        assert running.call(post(at(server)), 0.0) == Response(0, b"", "deadline")
    assert server.connections == 0


def test_an_exception_in_a_callback_ends_the_run_and_the_next_is_clean(running: Engine) -> None:
    def fail(result: Response) -> None:
        raise LookupError(result.body)

    unexpected: list[Response] = []
    with Server(each(OK), hang, each(OK)) as server:
        to = at(server, max_connections=2)
        running.submit(post(to), fail)
        for _ in range(5):
            running.submit(post(to), unexpected.append)
        with pytest.raises(LookupError, match="ok"):
            running.run(time.monotonic() + 10)
        assert running.call(post(to), 5) == OKAY
        began = time.monotonic()
        running.run(began + 10)  # no work is left
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


def test_a_nested_run_is_refused(running: Engine) -> None:
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


def test_requests_keep_to_the_rate(running: Engine) -> None:
    results: list[Response] = []
    began = time.monotonic()
    with Server(each(OK)) as server:
        to = at(server, rate=100)
        for _ in range(70):
            running.submit(post(to), results.append)
        running.run(began + 10)
    assert results == [OKAY] * 70
    assert time.monotonic() - began >= 0.2  # 50 requests at once, then 20 at 100 per second


def test_throttling_slows_the_endpoint(running: Engine) -> None:
    with Server(each(answer(429), answer(429), OK)) as server:
        to = at(server, rate=100)
        assert to.bucket is not None
        assert running.call(post(to), 5) == OKAY
        assert 80 < to.bucket.pace < 90

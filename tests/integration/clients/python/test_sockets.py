"""Both clients on real WebSockets."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from herald_client import Closed, FileStore, Herald, HeraldError, Platform, Refused, sync
from herald_client.transport import connect
from tests.integration.clients.python.scripted import (
    EPOCH,
    REVOKED,
    HastyClock,
    Scripted,
    result,
    welcome,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def hasty() -> Platform:
    return Platform(HastyClock())


def test_it_reconnects_and_resumes_until_herald_ends_the_connection() -> None:
    scripts: list[list[str] | int] = [
        [welcome(4), result(5)],
        503,
        [welcome(6, recovered=True), result(6), REVOKED],
    ]

    async def follow(url: str) -> tuple[str, list[int | None]]:
        found: list[int | None] = []
        try:
            async with Herald(url, token=lambda: "token", platform=hasty()) as herald:
                async for event in herald:
                    found.append(event.offset)
        except Closed as closed:
            return closed.name, found
        return "", found

    with Scripted(*scripts) as server:
        assert asyncio.run(follow(server.url)) == ("revoked", [5, 6])
        assert server.hellos == [None, {"epoch": EPOCH, "offset": 5}]
        authorizations = [request.headers["Authorization"] for request in server.requests]
        assert authorizations == ["Bearer token"] * 3
        offered = {request.headers["Sec-WebSocket-Protocol"] for request in server.requests}
        assert offered == {"herald.v1"}


@pytest.mark.parametrize("status", [302, 401, 403, 500])
def test_a_refusal_has_the_status_and_a_redirect_is_not_followed(status: int) -> None:
    with Scripted(status) as server:
        with pytest.raises(Refused) as refused:
            asyncio.run(connect(server.url, {"x-api-key": "secret"}))
        assert refused.value.status == status
        assert [request.path for request in server.requests] == ["/"]


def test_nobody_listening_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"."):
        asyncio.run(connect("ws://127.0.0.1:1", {}))


def test_the_synchronous_client_calls_load_in_the_thread_of_the_iteration() -> None:
    threads: dict[str, int] = {}

    def token() -> str:
        threads["token"] = threading.get_ident()
        return "token"

    def load(reason: str) -> None:
        threads[reason] = threading.get_ident()

    with (
        Scripted([welcome(0), result(1), result(2), REVOKED]) as server,
        sync.Herald(server.url, token=token, load=load, platform=hasty()) as herald,
    ):
        for expected, event in zip((1, 2), herald, strict=False):
            assert event.offset == expected
            assert herald.position == {"epoch": EPOCH, "offset": expected - 1}
        with pytest.raises(Closed, match="revoked"):
            herald.get(timeout=10)
    assert threads["start"] == threading.get_ident() != threads["token"]


def test_the_synchronous_client_waits_no_longer_than_the_timeout() -> None:
    with Scripted() as server, sync.Herald(server.url, api_key="key") as herald:
        with pytest.raises(TimeoutError):
            herald.get(timeout=0.01)
        assert herald.state in ("connecting", "catching_up")
    assert herald.position is None
    with pytest.raises(HeraldError, match="with"):
        herald.get()


def test_after_its_block_the_synchronous_client_has_stored_its_position_and_no_thread(
    tmp_path: Path,
) -> None:
    store = FileStore(tmp_path / "position.json")
    scripts = [[welcome(offset, recovered=True), result(offset)] for offset in (1, 2)]
    with Scripted(*scripts) as server:
        for offset in (1, 2):
            with sync.Herald(server.url, api_key="k", store=store, from_start=True) as herald:
                assert herald.get(timeout=10).offset == offset
            assert "herald" not in [thread.name for thread in threading.enumerate()]
    assert server.hellos == [{"offset": 0}, {"epoch": EPOCH, "offset": 1}]


def test_another_thread_can_end_the_iteration() -> None:
    found: list[int | None] = []
    first = threading.Event()

    def iterate() -> None:
        for event in herald:
            found.append(event.offset)
            first.set()

    with (
        Scripted([welcome(0), result(1)]) as server,
        sync.Herald(server.url, api_key="k") as herald,
    ):
        thread = threading.Thread(target=iterate)
        thread.start()
        assert first.wait(10)
        herald.close()
        thread.join(10)
        assert not thread.is_alive()
    assert found == [1]


def test_an_exception_of_load_is_raised_and_the_load_repeated() -> None:
    loads: list[str] = []

    def load(reason: str) -> None:
        loads.append(reason)
        if len(loads) == 1:
            raise RuntimeError("the database is down")

    with (
        Scripted([welcome(0), result(1), REVOKED]) as server,
        sync.Herald(server.url, api_key="key", load=load) as herald,
    ):
        with pytest.raises(RuntimeError, match="the database is down"):
            herald.get(timeout=10)
        assert herald.get(timeout=10).offset == 1
    assert loads == ["start", "start"]


def test_the_synchronous_client_refuses_asynchronous_functions() -> None:
    async def load(reason: str) -> None:
        pass

    with (
        Scripted([welcome(0), result(1)]) as server,
        sync.Herald(server.url, api_key="key", load=load) as herald,
        pytest.raises(TypeError, match="must not be async"),
    ):
        herald.get(timeout=10)

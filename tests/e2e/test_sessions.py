"""A user's sessions: the connection limit, revocation, a flood of replays, erasing a user."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.builders import epoch
from tests.e2e.conftest import SECONDS, Herald, Tab, User
from tooling import ROOT

if TYPE_CHECKING:
    from local.stack import Stack

pytestmark = pytest.mark.e2e

LIMIT = 50  # the default of max_connections_per_user in infra/variables.tf
LARGEST_REPLAY = 300
BUDGET_FRAMES = 640  # docs/protocol.md
MAX_FRAME = 32_768


def closed_with(tab: Tab) -> dict[str, Any] | None:
    """Return the `close` frame of a connection that the server has closed; None if it is open."""
    with suppress(ConnectionClosed):  # frames that were received earlier can still be read
        tab.say(action="ping", id="open?")
    frame = tab.hear()
    if frame["type"] == "pong":
        return None
    with pytest.raises(ConnectionClosed):
        tab.hear()
    return frame


def command(stack: Stack, *words: str) -> dict[str, Any]:
    """Run a command on the stack and return its result."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words, "--json", "--stack-env", str(stack.env_file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_one_connection_too_many_closes_an_older_one(alice: User, bob: User) -> None:
    bobs = bob.tab()
    tabs = [alice.tab() for _ in range(LIMIT)]
    assert [closed_with(tab) for tab in tabs] == [None] * LIMIT
    newest = alice.tab()
    closes = [close for tab in tabs if (close := closed_with(tab))]
    assert [(close["code"], close["reconnect"]) for close in closes] == [(4014, "never")]
    assert newest.hello()
    assert bobs.silent()


def test_a_keepalive_is_not_answered_and_the_connection_stays_open(alice: User) -> None:
    tab = alice.tab()
    welcome = tab.hello()
    assert welcome["keepalive_ms"] < 600_000, "API Gateway's idle timeout"
    for _ in range(3):
        tab.say(action="keepalive")
    assert tab.silent()
    event = alice.finished()
    assert tab.events(1)[0]["event"]["subject"] == event


def test_revoking_closes_connections_and_refuses_older_tokens(
    alice: User, bob: User, herald: Herald, stack: Stack
) -> None:
    now = int(time.time())
    before = alice.token(iat=now - 5)
    tabs = [herald.open(before), herald.open(before, by="header")]
    bobs = bob.tab()
    for tab in (*tabs, bobs):
        tab.hello()
    result = command(stack, "sessions", "revoke", "--user", alice.name)
    assert (result["closed"], result["leftOpen"]) == (2, [])
    for tab in tabs:
        close = closed_with(tab)
        assert close is not None
        assert (close["code"], close["name"], close["reconnect"]) == (4011, "revoked", "never")
    with pytest.raises(InvalidStatus) as refused:
        herald.open(before)
    assert refused.value.response.status_code == 401
    later = herald.open(alice.token(iat=result["revokedAt"] + 1))
    assert later.hello()
    later.say(action="auth", id=2, token=before)
    close = closed_with(later)
    assert close is not None
    assert close["code"] == 4011
    assert bobs.silent()


def stream_of_large_events(herald: Herald, user: User, count: int) -> str:
    """Store a stream in a user's inbox; return its epoch."""
    of_epoch, expires_at = epoch(), str(int(time.time()) + 3600)
    event = json.dumps({"id": "e", "subject": "s", "data": {"prompt": "p" * 30_000}})
    positions = [f"{of_epoch}/{offset:016d}" for offset in range(1, count + 1)]
    items: list[dict[str, Any]] = [
        {"position": {"S": position}, "event": {"S": event}} for position in positions
    ]
    items.append({"position": {"S": f"{positions[-1]}/head"}})
    client = herald.client("dynamodb")
    table = herald.env["HERALD_INBOX_TABLE"]
    for first in range(0, len(items), 25):
        puts = [
            {
                "PutRequest": {
                    "Item": {**item, "user_id": {"S": user.name}, "expires_at": {"N": expires_at}}
                }
            }
            for item in items[first : first + 25]
        ]
        assert not client.batch_write_item(RequestItems={table: puts}).get("UnprocessedItems")
    client.close()
    return of_epoch


def test_a_flood_of_replays_is_limited_and_another_users_ping_is_answered(
    alice: User, bob: User, herald: Herald
) -> None:
    of_epoch = stream_of_large_events(herald, alice, LARGEST_REPLAY)
    tab, bobs = alice.tab(), bob.tab()
    floods: list[dict[str, Any]] = [
        {"action": "hello", "resume": {"epoch": of_epoch, "offset": 0}},
        {"action": "history", "since": 0, "limit": LARGEST_REPLAY},
    ] * 10
    for number, flood in enumerate(floods):
        tab.say(**flood, id=number)
    assert bobs.silent(), "bob's ping is answered meanwhile"
    answers: list[dict[str, Any]] = []
    frames = size = 0
    while len(answers) < len(floods):
        text = tab.socket.recv(SECONDS)
        frames, size = frames + 1, size + len(text)
        frame = json.loads(text)
        if frame["type"] in ("caught_up", "gap", "error"):
            answers.append(frame)
    refused = [answer for answer in answers if answer["type"] == "error"]
    assert {answer["code"] for answer in refused} == {4102}
    assert all(answer["retry_after_ms"] > 0 for answer in refused)
    assert frames - len(refused) <= BUDGET_FRAMES
    assert size <= BUDGET_FRAMES * MAX_FRAME
    assert len(refused) < len(floods), "the first replay is served"
    assert tab.silent()


def test_forgetting_erases_a_user_and_nobody_else(
    alice: User, bob: User, herald: Herald, stack: Stack
) -> None:
    tabs = {user.name: user.tab() for user in (alice, bob)}
    for user in (alice, bob):
        tabs[user.name].hello()
        user.finished()
        tabs[user.name].events(1)
    erased = command(stack, "forget", "--user", alice.name, "--yes")
    assert erased == {
        "user": alice.name,
        "generations": 1,
        "outbox": 1,
        "streams": 1,
        "inbox": 1,
        "connections": 1,
        "apiKeys": 0,
        "outputs": 0,
    }
    close = closed_with(tabs[alice.name])
    assert close is not None
    assert close["code"] == 4011
    rows = "SELECT count(*) FROM herald.generations WHERE user_id = %s"
    assert herald.query(rows, alice.name) == [(0,)]
    assert herald.query(rows, bob.name) == [(1,)]
    assert tabs[bob.name].silent()
    back = bob.tab().hello({"offset": 0})
    assert (back["stream"]["head"], back["replaying"]) == (1, 1)

"""A tab that reconnects gets exactly the events that it missed, in order, or a gap."""

import time
import uuid

import pytest

from tests.e2e.conftest import Herald, Tab, User, eventually

pytestmark = pytest.mark.e2e


def delivered(user: User, count: int) -> Tab:
    """Open a tab once so many events are in the inbox. A later one may be stored first."""

    def there() -> bool:
        watcher = user.tab()
        watcher.say(action="hello", id=1, resume={"offset": 0})
        while (frame := watcher.hear())["type"] != "welcome":
            pass  # a live event
        watcher.socket.close()
        return bool(frame["replaying"] >= count)

    eventually(there)
    return user.tab()


def test_a_returning_client_receives_exactly_the_missed_events_in_order(alice: User) -> None:
    tab = alice.tab()
    welcome = tab.hello()
    assert welcome["stream"] == {"epoch": None, "head": 0}
    alice.finished()
    [seen] = tab.events(1)
    cursor = {"epoch": seen["epoch"], "offset": seen["offset"]}
    tab.socket.close()

    missed = [alice.finished() for _ in range(3)]
    delivered(alice, 4)

    back = alice.tab()
    welcome = back.hello(cursor)
    assert (welcome["recovered"], welcome["replaying"]) == (True, 3)
    assert welcome["stream"] == {"epoch": seen["epoch"], "head": 4}
    replay = back.events(3)
    assert [frame["event"]["subject"] for frame in replay] == missed
    assert [frame["offset"] for frame in replay] == [2, 3, 4]
    assert all(frame["replayed"] for frame in replay)
    assert back.hear() == {"type": "caught_up", "re": 1, "offset": 4}
    assert back.silent()


def test_a_cursor_that_is_too_old_gets_a_gap(alice: User, herald: Herald) -> None:
    # An old stream with two events, of which the first has expired.
    began = f"{int((time.time() - 30 * 86_400) * 1000):012x}"
    epoch = f"{began[:8]}-{began[8:]}-7000-8000-{uuid.uuid4().hex[:12]}"
    for position, item in (
        (f"{epoch}/{2:016d}", {"event": {"S": "{}"}}),
        (f"{epoch}/{2:016d}/head", {}),
    ):
        key = {"user_id": {"S": alice.name}, "position": {"S": position}}
        herald.client("dynamodb").put_item(
            TableName=herald.env["HERALD_INBOX_TABLE"],
            Item={**key, "expires_at": {"N": "99999999999"}, **item},
        )

    back = alice.tab()
    welcome = back.hello({"epoch": epoch, "offset": 0})
    assert (welcome["recovered"], welcome["replaying"]) == (False, 0)
    gap = back.hear()
    assert (gap["type"], gap["reason"], gap["earliest"], gap["head"]) == ("gap", "expired", 2, 2)
    assert gap["requested"] == {"epoch": epoch, "offset": 0}


def test_a_cursor_from_another_epoch_gets_a_gap(alice: User) -> None:
    alice.finished()
    tab = delivered(alice, 1)
    tab.hello({"epoch": "01890000-0000-7000-8000-000000000000", "offset": 1})
    assert tab.hear()["reason"] == "epoch_changed"


def test_history_returns_the_events_that_a_pong_shows_missing(alice: User) -> None:
    wanted = [alice.finished() for _ in range(2)]
    tab = delivered(alice, 2)
    tab.say(action="history", id=3, since=0)
    assert [frame["event"]["subject"] for frame in tab.events(2)] == wanted
    assert tab.hear() == {"type": "caught_up", "re": 3, "offset": 2}


def test_live_events_continue_after_a_replay(alice: User) -> None:
    first = alice.finished()
    delivered(alice, 1)
    tab = alice.tab()
    tab.hello({"offset": 0})
    assert tab.events(1)[0]["event"]["subject"] == first
    assert tab.hear()["type"] == "caught_up"
    second = alice.finished()
    [frame] = tab.events(1)
    assert (frame["event"]["subject"], frame["offset"], frame["replayed"]) == (second, 2, False)


def test_a_connection_that_broke_without_a_close_frame_is_removed(
    alice: User, herald: Herald
) -> None:
    tab = alice.tab()
    tab.hello()
    tab.socket.socket.shutdown(2)
    dynamodb = herald.client("dynamodb")

    def rows() -> int:
        item = dynamodb.get_item(
            TableName=herald.env["HERALD_CONNECTIONS_TABLE"],
            Key={"user_id": {"S": alice.name}},
            ConsistentRead=True,
        ).get("Item", {})
        return sum(name.startswith("connection ") for name in item)

    eventually(lambda: rows() == 0)
    alice.finished()
    assert delivered(alice, 1).hello({"offset": 0})["replaying"] == 1

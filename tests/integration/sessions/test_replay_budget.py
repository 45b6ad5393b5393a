"""The replay budget: a user with too many requests must wait, and no other user is affected."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.protocol.events import MAX_FRAME_BYTES
from chalicelib.recording import generation_events
from chalicelib.store.inbox import REPLAY_LIMIT
from chalicelib.store.replay_budget import BURST_FRAMES, FRAME_MS, RETRY_MS, Budget, ReplayBudgets
from tests.builders import EPOCH, Context, connected, event, progress, sqs, websocket

if TYPE_CHECKING:
    from chalicelib.aws.service import Service
    from chalicelib.runtime import Runtime
    from chalicelib.store.connections import Connections
    from tests.integration.conftest import Gateway

pytestmark = pytest.mark.integration

LARGE = "p" * 30_000
HELLO = {"action": "hello", "id": 1, "resume": {"epoch": EPOCH, "offset": 0}}
HISTORY = {"action": "history", "id": 1, "since": 0, "limit": REPLAY_LIMIT}


@pytest.fixture
def budgets(service: Service) -> ReplayBudgets:
    return ReplayBudgets(service, "connections")


@pytest.fixture
def deliver(runtime: Runtime) -> Any:
    """Deliver alice's events 1 … count."""

    def invoke(count: int, prompt: str = "p") -> None:
        for first in range(1, count + 1, 20):
            offsets = range(first, min(first + 20, count + 1))
            batch = sqs(*(event("alice", offset, prompt=prompt) for offset in offsets))
            assert runtime.deliver.handle(batch, Context()) == {"batchItemFailures": []}

    return invoke


@pytest.fixture
def say(runtime: Runtime) -> Any:
    """Send one frame and return the last frame of the answer."""

    def send(frame: Any, **who: Any) -> Any:
        return json.loads(runtime.message.handle(websocket(frame, **who))["body"])

    return send


def full_at(dynamodb: Any) -> int:
    [item] = dynamodb.scan(TableName="connections")["Items"]
    return int(item.get("replay_full_at", {"N": "0"})["N"])


@pytest.mark.parametrize("frame", [HELLO, HISTORY], ids=["hello", "history"])
def test_a_flood_of_replays_stays_within_the_users_budget(
    deliver: Any, say: Any, gateway: Gateway, frame: Any
) -> None:
    deliver(REPLAY_LIMIT, LARGE)
    answers = [say(frame, connection_id=f"c{number % 3}=") for number in range(20)]
    refused = [answer for answer in answers if answer["type"] == "error"]
    sent = [text for frames in gateway.posted.values() for text in frames]
    assert REPLAY_LIMIT <= len(sent) <= BURST_FRAMES
    assert sum(len(text.encode()) for text in sent) <= BURST_FRAMES * MAX_FRAME_BYTES
    assert len(refused) >= 18
    for answer in refused:
        assert (answer["code"], answer["name"], answer["re"]) == (4102, "rate_limited", 1)
        assert 0 < answer["retry_after_ms"] <= 120_000
    assert say({"action": "ping", "id": 2}, user_id="bob", connection_id="b=")["type"] == "pong"
    assert say(HELLO, user_id="bob", connection_id="b=")["type"] == "gap", "bob has his own budget"
    assert say({"action": "ping", "id": 2})["type"] == "pong", "and alice's connection works"


def test_many_small_replays_are_not_limited(deliver: Any, say: Any) -> None:
    deliver(REPLAY_LIMIT)
    for number in range(30):
        assert say(HELLO, connection_id=f"c{number % 3}=")["type"] == "caught_up"


def test_a_replay_that_is_too_long_to_be_sent_costs_what_was_read(
    dynamodb: Any, deliver: Any, say: Any
) -> None:
    deliver(REPLAY_LIMIT + 1, LARGE)
    answers = [say(HELLO) for _ in range(5)]
    kinds = [answer.get("reason") or answer["name"] for answer in answers]
    assert kinds[:2] == ["limit", "limit"]
    assert kinds[2:] == ["rate_limited"] * 3


def test_a_hello_with_nothing_to_replay_costs_nothing(
    dynamodb: Any, deliver: Any, say: Any
) -> None:
    deliver(2)
    say({"action": "hello"})
    say({"action": "hello", "resume": {"epoch": EPOCH, "offset": 2}})
    say({"action": "history", "since": 2})
    assert full_at(dynamodb) == 0


def test_notices_that_are_sent_again_take_from_the_budget(
    dynamodb: Any, runtime: Runtime, say: Any
) -> None:
    notices = [
        generation_events.build_notice(f"g{n}", "alice", stage="test", now=datetime.now(UTC))
        for n in range(2)
    ]
    assert runtime.deliver.handle(sqs(*notices), Context()) == {"batchItemFailures": []}
    say({"action": "hello"})
    assert full_at(dynamodb) > 0


def test_progress_costs_what_was_read_for_it_not_only_what_is_sent(
    dynamodb: Any, runtime: Runtime, say: Any
) -> None:
    texts = [progress("alice", 1, seconds_ago=ago, step="s" * 3000) for ago in range(60)]
    for text in texts:
        assert runtime.deliver.handle(sqs(text), Context()) == {"batchItemFailures": []}
    before = time.time() * 1000
    say({"action": "hello"})
    assert full_at(dynamodb) - before >= 60 * 3000 / MAX_FRAME_BYTES * FRAME_MS


def test_a_connection_has_one_replay_at_a_time(
    deliver: Any, say: Any, connections: Connections, budgets: ReplayBudgets
) -> None:
    deliver(1)
    connections.put(connected("alice", "c1="))
    connections.put(connected("alice", "c2="))
    budgets.take("alice", "c1=", Budget(0, 0), 1)
    refused = say(HISTORY)
    assert (refused["code"], refused["retry_after_ms"]) == (4102, RETRY_MS)
    assert say(HISTORY, connection_id="c2=")["type"] == "caught_up"
    budgets.settle("alice", "c1=", 0)
    assert say(HISTORY)["type"] == "caught_up"


def test_a_replay_returns_its_frames_once(
    dynamodb: Any, connections: Connections, budgets: ReplayBudgets
) -> None:
    """A request whose answer is lost is sent again."""
    connections.put(connected("alice", "c1="))
    budgets.take("alice", "c1=", Budget(0, 0), 100)
    taken = full_at(dynamodb)
    for _ in range(2):
        budgets.settle("alice", "c1=", 90)
    assert taken - full_at(dynamodb) == 90 * FRAME_MS


def test_two_replays_that_begin_at_once_do_not_share_what_is_left(
    connections: Connections, budgets: ReplayBudgets
) -> None:
    """Both read a full budget. The second is refused, because the first has already used it up."""
    from chalicelib.errors import OverBudget

    connections.put(connected("alice", "c1="))
    connections.put(connected("alice", "c2="))
    budgets.take("alice", "c1=", Budget(0, 0), BURST_FRAMES)
    with pytest.raises(OverBudget) as refused:
        budgets.take("alice", "c2=", Budget(0, 0), BURST_FRAMES)
    assert refused.value.retry_after_ms == RETRY_MS


def test_a_failed_replay_gives_back_its_unused_frames(
    dynamodb: Any, deliver: Any, say: Any, gateway: Gateway
) -> None:
    deliver(200)
    gateway.statuses = {"c1=": [429, 429, 429, 200]}
    assert say(HELLO)["code"] == 4100
    failed_at = full_at(dynamodb)
    assert say(HELLO)["type"] == "caught_up", "and the connection may ask again at once"
    assert full_at(dynamodb) - failed_at < 20_000, "not the 40 s of 200 frames"

"""Every client frame of herald.v1 and its response, with DynamoDB over HTTP."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from chalicelib.aws.service import Service
from chalicelib.recording import generation_events
from chalicelib.runtime import Runtime
from chalicelib.store.connections import NEVER, Connections
from chalicelib.store.inbox import REPLAY_LIMIT, Inbox
from tests.builders import (
    EPOCH,
    Context,
    connected,
    epoch,
    event,
    open_connections,
    progress,
    sqs,
    websocket,
)
from tests.integration.conftest import JWT_SECRET, Gateway

pytestmark = pytest.mark.integration

Deliver = Callable[..., None]

OTHER_EPOCH = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def say(gateway: Gateway, runtime: Runtime) -> Any:
    """Send one frame and return all response frames, in order."""

    def send(frame: Any, **who: Any) -> list[Any]:
        before = len(gateway.posted.get(who.get("connection_id", "c1="), []))
        answer = runtime.message.handle(websocket(frame, **who))
        assert answer["statusCode"] == 200
        posted = gateway.posted.get(who.get("connection_id", "c1="), [])[before:]
        frames = [*posted, *([answer["body"]] if "body" in answer else [])]
        assert all(len(text.encode()) <= 32_768 for text in frames)
        return [json.loads(text) for text in frames]

    return send


@pytest.fixture
def deliver(runtime: Runtime) -> Deliver:
    """Deliver published events."""

    def invoke(*texts: str) -> None:
        assert runtime.deliver.handle(sqs(*texts), Context()) == {"batchItemFailures": []}

    return invoke


@pytest.fixture
def deliver_events(deliver: Deliver) -> Deliver:
    """Deliver events by their offsets."""

    def invoke(*offsets: int, of_epoch: str = EPOCH, user_id: str = "alice") -> None:
        deliver(*(event(user_id, offset, of_epoch=of_epoch) for offset in offsets))

    return invoke


def hello(offset: int | None = None, of_epoch: str | None = EPOCH) -> dict[str, Any]:
    frame: dict[str, Any] = {"action": "hello", "id": 1}
    if offset is not None:
        frame["resume"] = {"offset": offset, **({"epoch": of_epoch} if of_epoch else {})}
    return frame


def replayed(frames: list[Any]) -> list[int]:
    return [
        item["offset"] for frame in frames if frame["type"] == "events" for item in frame["items"]
    ]


def expire(dynamodb: Any, *offsets: int, of_epoch: str = EPOCH) -> None:
    """Make stored events expire, although DynamoDB has not deleted them yet."""
    for offset in offsets:
        dynamodb.update_item(
            TableName="inbox",
            Key={"user_id": {"S": "alice"}, "position": {"S": f"{of_epoch}/{offset:016d}"}},
            UpdateExpression="SET expires_at = :past",
            ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
        )


# --- $connect and $disconnect ---


def test_connect_stores_the_connection_and_echoes_only_the_protocol(
    dynamodb: Any, runtime: Runtime
) -> None:
    offered = {"Sec-WebSocket-Protocol": "herald.v1, bearer.abc.def.ghi"}
    answer = runtime.connect.handle(websocket(headers=offered))
    assert answer["headers"] == {"Sec-WebSocket-Protocol": "herald.v1"}
    [item] = dynamodb.scan(TableName="connections")["Items"]
    assert (item["user_id"]["S"], open_connections(dynamodb)) == ("alice", {"c1="})
    assert abs(int(item["expires_at"]["N"]) - time.time() - 7800) < 5


def test_connect_without_subprotocols_is_accepted(runtime: Runtime) -> None:
    assert runtime.connect.handle(websocket()) == {"statusCode": 200, "headers": {}}


def test_connect_with_an_unsupported_subprotocol_is_refused(
    dynamodb: Any, runtime: Runtime
) -> None:
    answer = runtime.connect.handle(websocket(headers={"Sec-WebSocket-Protocol": "herald.v9"}))
    assert answer["statusCode"] == 400
    assert dynamodb.scan(TableName="connections")["Count"] == 0


def test_disconnect_removes_the_connection(
    dynamodb: Any, runtime: Runtime, connections: Connections
) -> None:
    connections.put(connected("alice", "c1="))
    connections.put(connected("alice", "c2="))
    runtime.disconnect.handle(websocket())
    assert open_connections(dynamodb) == {"c2="}


# --- hello ---


def test_hello_on_an_empty_stream_is_welcomed_without_an_epoch(say: Any) -> None:
    [welcome] = say(hello())
    assert welcome["type"] == "welcome"
    assert welcome["re"] == 1
    assert welcome["connection"] == "c1="
    assert welcome["stream"] == {"epoch": None, "head": 0}
    assert (welcome["recovered"], welcome["replaying"]) == (False, 0)
    assert (welcome["ping_ms"], welcome["lifetime_ms"]) == (270_000, 6_600_000)
    assert welcome["max_frame"] == 32_768
    assert 880_000 < welcome["token_ms"] <= 900_000


def test_the_welcome_has_the_interval_of_keepalives_only_if_the_api_accepts_them(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    [with_route] = answers(runtime, hello())
    assert with_route["keepalive_ms"] == 510_000
    other = Runtime({**environment, "HERALD_KEEPALIVE_MS": "0"})
    [without_route] = answers(other, hello())
    other.close()
    assert "keepalive_ms" not in without_route


def answers(runtime: Runtime, frame: Any) -> list[Any]:
    answer = runtime.message.handle(websocket(frame))
    return [json.loads(answer["body"])] if "body" in answer else []


def test_a_keepalive_that_reaches_the_function_is_not_answered(
    operations: list[str], runtime: Runtime
) -> None:
    assert answers(runtime, {"action": "keepalive"}) == []
    assert operations == []


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests to DynamoDB, by operation."""
    made: list[str] = []
    call_all = Service.call_all

    def counted(service: Service, *calls: Any, **options: Any) -> Any:
        made.extend(operation for operation, _ in calls)
        return call_all(service, *calls, **options)

    monkeypatch.setattr(Service, "call_all", counted)
    return made


@pytest.mark.parametrize(
    ("frame", "queries"), [(hello(), 2), ({"action": "history", "since": 0}, 1)]
)
def test_a_connection_that_is_stored_is_not_written_again(
    runtime: Runtime, operations: list[str], frame: Any, queries: int
) -> None:
    runtime.connect.handle(websocket())
    assert operations == ["UpdateItem"]
    runtime.message.handle(websocket(frame))
    assert sorted(operations[1:]) == ["GetItem", *["Query"] * queries]


def test_hello_stores_a_connection_that_was_forgotten(
    dynamodb: Any, runtime: Runtime, operations: list[str]
) -> None:
    """`deliver` forgets a connection if API Gateway wrongly answers 410."""
    runtime.connect.handle(websocket())
    dynamodb.delete_item(TableName="connections", Key={"user_id": {"S": "alice"}})
    runtime.message.handle(websocket(hello()))
    assert open_connections(dynamodb) == {"c1="}
    written = operations.index("UpdateItem", 1)
    assert operations[written:] == ["UpdateItem", "Query", "Query"], "the head is read afterwards"


def test_hello_without_resume_replays_nothing(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2, 3)
    [welcome] = say(hello())
    assert welcome["stream"] == {"epoch": EPOCH, "head": 3}


def test_hello_replays_exactly_the_missed_events_in_order(
    say: Any, deliver_events: Deliver
) -> None:
    deliver_events(1, 2, 3, 4)
    frames = say(hello(1))
    assert [frame["type"] for frame in frames] == ["welcome", "events", "caught_up"]
    assert (frames[0]["recovered"], frames[0]["replaying"]) == (True, 3)
    assert replayed(frames) == [2, 3, 4]
    assert all(item["replayed"] for item in frames[1]["items"])
    assert [item["event"]["sequence"] for item in frames[1]["items"]] == ["2", "3", "4"]
    assert (frames[2]["re"], frames[2]["offset"]) == (1, 4)


def test_hello_at_the_head_recovers_with_nothing_to_replay(
    say: Any, deliver_events: Deliver
) -> None:
    deliver_events(1, 2)
    [welcome] = say(hello(2))
    assert (welcome["recovered"], welcome["replaying"]) == (True, 0)


def test_resume_from_zero_without_an_epoch_replays_every_retained_event(
    dynamodb: Any, say: Any, deliver_events: Deliver
) -> None:
    deliver_events(1, 2, 3)
    expire(dynamodb, 1)
    assert replayed(say(hello(0, None))) == [2, 3]
    assert say({"action": "hello", "resume": {"epoch": None, "offset": 0}})[-1]["offset"] == 3


def test_resume_from_zero_on_an_empty_stream_recovers(say: Any) -> None:
    [welcome] = say(hello(0, None))
    assert (welcome["recovered"], welcome["replaying"]) == (True, 0)


def test_a_hole_in_the_retained_events_is_not_a_gap(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2, 4)
    assert replayed(say(hello(2))) == [4]


def test_a_hole_at_the_start_of_a_new_stream_is_not_a_gap(
    say: Any, deliver_events: Deliver
) -> None:
    deliver_events(2, 3)
    assert replayed(say(hello(0))) == [2, 3]


def test_a_long_replay_is_split_into_frames_that_fit(say: Any, deliver: Deliver) -> None:
    texts = [event("alice", offset, prompt="p" * 15_000) for offset in range(1, 8)]
    deliver(*texts)
    frames = say(hello(0))
    assert replayed(frames) == list(range(1, 8))
    assert sum(frame["type"] == "events" for frame in frames) >= 4


def gap_of(frames: list[Any]) -> Any:
    [welcome, gap] = frames
    assert (welcome["type"], welcome["recovered"], welcome["replaying"]) == ("welcome", False, 0)
    assert (gap["type"], gap["re"]) == ("gap", 1)
    return gap


def test_a_cursor_from_another_epoch_gets_a_gap(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2)
    gap = gap_of(say(hello(1, OTHER_EPOCH)))
    assert (gap["reason"], gap["epoch"], gap["head"]) == ("epoch_changed", EPOCH, 2)
    assert gap["requested"] == {"epoch": OTHER_EPOCH, "offset": 1}


def test_a_cursor_for_a_stream_that_does_not_exist_gets_a_gap(say: Any) -> None:
    gap = gap_of(say(hello(41)))
    assert (gap["reason"], gap["epoch"], gap["head"]) == ("epoch_changed", None, 0)


def test_a_cursor_ahead_of_the_stream_gets_a_gap(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2)
    assert gap_of(say(hello(3)))["reason"] == "ahead"


def test_a_cursor_older_than_the_retained_events_gets_a_gap(
    dynamodb: Any, say: Any, deliver_events: Deliver
) -> None:
    old = epoch(age_seconds=30 * 86_400)
    deliver_events(1, 2, 3, 4, of_epoch=old)
    expire(dynamodb, 1, 2, of_epoch=old)
    gap = gap_of(say(hello(1, old)))
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("expired", 3, 4)
    assert replayed(say(hello(2, old))) == [3, 4], (
        "a cursor just before the earliest event is served"
    )


def test_the_head_still_reveals_the_loss_when_every_event_has_expired(
    dynamodb: Any, say: Any, deliver_events: Deliver
) -> None:
    old = epoch(age_seconds=30 * 86_400)
    deliver_events(1, 2, of_epoch=old)
    expire(dynamodb, 1, 2, of_epoch=old)
    gap = gap_of(say(hello(1, old)))
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("expired", 3, 2)
    assert say(hello(2, old))[0]["recovered"], "no event was missed"


def test_a_kept_head_outlives_its_event(
    dynamodb: Any, say: Any, deliver_events: Deliver, stored: Inbox
) -> None:
    old = epoch(age_seconds=30 * 86_400)
    deliver_events(1, 2, of_epoch=old)
    stored.keep_heads([("alice", old, 2)])
    assert replayed(say(hello(1, old))) == [2]
    for offset in (1, 2):
        key = {"user_id": {"S": "alice"}, "position": {"S": f"{old}/{offset:016d}"}}
        dynamodb.delete_item(TableName="inbox", Key=key)
    gap = gap_of(say(hello(1, old)))
    assert (gap["reason"], gap["earliest"], gap["head"]) == ("expired", 3, 2)
    assert say(hello(2, old))[0]["recovered"], "no event was missed"
    deliver_events(3, of_epoch=old)
    assert replayed(say(hello(2, old))) == [3]


def test_without_a_head_a_cursor_gets_a_gap(say: Any) -> None:
    assert gap_of(say(hello(2)))["reason"] == "epoch_changed"


def test_a_replay_up_to_the_limit_is_served_and_a_longer_one_is_a_gap(
    say: Any, deliver_events: Deliver
) -> None:
    for start in range(1, REPLAY_LIMIT + 2, 100):
        deliver_events(*range(start, min(start + 100, REPLAY_LIMIT + 2)))
    gap = gap_of(say(hello(0)))
    assert (gap["reason"], gap["head"]) == ("limit", REPLAY_LIMIT + 1)
    assert len(replayed(say(hello(1)))) == REPLAY_LIMIT


def test_another_users_events_are_never_replayed(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2, user_id="bob")
    assert replayed(say(hello(0, None))) == []


def test_hello_returns_the_notices_of_the_last_hour(say: Any, deliver: Deliver) -> None:
    notice = generation_events.build_notice("g1", "alice", stage="test", now=datetime.now(UTC))
    deliver(notice)
    [welcome, sent] = say(hello())
    assert welcome["type"] == "welcome"
    assert [(item["offset"], item["replayed"]) for item in sent["items"]] == [(None, True)]


def test_a_notice_superseded_by_its_result_is_not_sent_again(
    say: Any, deliver_events: Deliver, deliver: Deliver
) -> None:
    finished = json.loads(event("alice", 2))["subject"]
    for generation_id in (finished, "still-waiting"):
        notice = generation_events.build_notice(
            generation_id, "alice", stage="test", now=datetime.now(UTC)
        )
        deliver(notice)
    deliver_events(1, 2)
    [_, sent] = say(hello())
    assert [item["event"]["subject"] for item in sent["items"]] == ["still-waiting"]


def outside(frames: list[Any]) -> list[tuple[int, Any]]:
    """Return the generation and the progress of the replayed events outside the stream."""
    return [
        (int(item["event"]["subject"][-4:]), item["event"]["data"].get("progress"))
        for frame in frames
        if frame["type"] == "events"
        for item in frame["items"]
        if item["offset"] is None and item["replayed"]
    ]


def test_hello_returns_the_newest_progress_of_each_running_generation_after_the_replay(
    say: Any, deliver: Deliver, deliver_events: Deliver
) -> None:
    deliver_events(1, 2)
    deliver(progress("alice", 3, seconds_ago=2, fraction=0.2), progress("bob", 9))
    deliver(progress("alice", 4, seconds_ago=3000, fraction=0.4))
    deliver(progress("alice", 3, seconds_ago=1, fraction=0.3))
    frames = say(hello(1))
    assert [frame["type"] for frame in frames] == ["welcome", "events", "caught_up", "events"]
    assert (frames[0]["replaying"], replayed(frames[:2])) == (1, [2])
    assert outside(frames[3:]) == [(4, 0.4), (3, 0.3)]
    assert outside(say(hello())) == outside(frames)
    assert outside(say(hello(), user_id="bob")) == [(9, 0.5)]


def test_progress_that_arrives_late_takes_no_newer_ones_place(say: Any, deliver: Deliver) -> None:
    deliver(progress("alice", 1, seconds_ago=1, fraction=0.9))
    deliver(progress("alice", 1, seconds_ago=2, fraction=0.1))
    assert outside(say(hello())) == [(1, 0.9)]


def test_progress_ends_with_the_result_whichever_was_delivered_first(
    say: Any, deliver: Deliver, deliver_events: Deliver
) -> None:
    deliver(progress("alice", 1, seconds_ago=2))
    deliver_events(1, 2)
    deliver(progress("alice", 2, seconds_ago=1), progress("alice", 3))
    assert outside(say(hello())) == [(3, 0.5)]


def test_progress_is_forgotten_after_an_hour_although_dynamodb_has_not_deleted_it(
    dynamodb: Any, say: Any, deliver: Deliver
) -> None:
    deliver(progress("alice", 1, seconds_ago=3601))
    assert dynamodb.scan(TableName="inbox")["Count"] == 1
    assert len(say(hello())) == 1


def test_progress_follows_a_gap(say: Any, deliver: Deliver, deliver_events: Deliver) -> None:
    deliver_events(1, 2)
    deliver(progress("alice", 3))
    frames = say(hello(1, OTHER_EPOCH))
    assert [frame["type"] for frame in frames] == ["welcome", "gap", "events"]
    assert outside(frames) == [(3, 0.5)]


def test_progress_does_not_move_the_head(
    say: Any, deliver: Deliver, deliver_events: Deliver
) -> None:
    deliver(progress("alice", 1))
    assert say({"action": "ping", "id": 2})[0]["head"] == 0
    deliver_events(1)
    deliver(progress("alice", 2))
    assert say({"action": "ping", "id": 3})[0]["head"] == 1


def test_a_client_that_leaves_during_its_replay_is_not_an_error(
    say: Any, gateway: Gateway, deliver_events: Deliver
) -> None:
    deliver_events(1, 2)
    gateway.statuses = {"c1=": [410]}
    assert say(hello(0)) == []


def test_when_posting_fails_the_client_is_asked_to_retry(
    say: Any, gateway: Gateway, deliver_events: Deliver
) -> None:
    deliver_events(1, 2)
    gateway.statuses = {"c1=": [429]}
    [error] = say(hello(0))
    assert (error["code"], error["re"], error["retry_after_ms"]) == (4100, 1, 2000)


def test_when_the_inbox_cannot_be_read_the_client_is_asked_to_retry(
    dynamodb: Any, say: Any
) -> None:
    dynamodb.delete_table(TableName="inbox")
    [error] = say(hello(0))
    assert (error["type"], error["code"], error["re"]) == ("error", 4100, 1)


# --- ping, history ---


def test_pong_reports_the_head(say: Any, deliver_events: Deliver) -> None:
    assert say({"action": "ping", "id": 2}) == [{"type": "pong", "re": 2, "epoch": None, "head": 0}]
    deliver_events(1)
    [pong] = say({"action": "ping", "id": 3, "epoch": EPOCH, "offset": 0})
    assert (pong["epoch"], pong["head"]) == (EPOCH, 1)


def test_history_replays_up_to_its_limit(say: Any, deliver_events: Deliver) -> None:
    deliver_events(1, 2, 3, 4)
    frames = say({"action": "history", "id": 3, "since": 1, "limit": 2})
    assert replayed(frames) == [2, 3]
    assert frames[-1] == {"type": "caught_up", "re": 3, "offset": 3}


def test_history_restores_the_row_of_an_open_connection(
    dynamodb: Any, say: Any, deliver_events: Deliver
) -> None:
    """A wrong 410 response deletes the row of an open connection."""
    deliver_events(1)
    say({"action": "history", "since": 0})
    assert open_connections(dynamodb) == {"c1="}


def test_history_of_expired_events_gets_a_gap(
    dynamodb: Any, say: Any, deliver_events: Deliver
) -> None:
    old = epoch(age_seconds=30 * 86_400)
    deliver_events(1, 2, of_epoch=old)
    expire(dynamodb, 1, of_epoch=old)
    [gap] = say({"action": "history", "id": 3, "since": 0})
    assert (gap["type"], gap["reason"], gap["re"]) == ("gap", "expired", 3)


# --- tokens ---


def token(sub: str = "alice", seconds: int = 600) -> str:
    now = int(time.time())
    claims = {"sub": sub, "iss": "issuer", "aud": "herald", "iat": now, "exp": now + seconds}
    return jwt.encode(claims, JWT_SECRET, "HS256")


def test_an_expired_token_closes_the_connection(say: Any, gateway: Gateway) -> None:
    [close] = say({"action": "ping"}, token_expires_at=int(time.time()) - 1)
    assert (close["type"], close["code"], close["reconnect"]) == ("close", 4202, "now")
    assert gateway.closed == ["c1="]


def test_a_credential_without_expiry_never_closes_the_connection(say: Any) -> None:
    [welcome] = say(hello(), token_expires_at=NEVER)
    assert welcome["token_ms"] is None


def test_a_fresh_token_keeps_the_connection_open_after_the_first_expires(say: Any) -> None:
    expired = int(time.time()) - 1
    [ok] = say({"action": "auth", "id": 4, "token": token()}, token_expires_at=expired)
    assert (ok["type"], ok["re"]) == ("auth_ok", 4)
    assert 590_000 < ok["token_ms"] <= 600_000
    assert say({"action": "ping"}, token_expires_at=expired)[0]["type"] == "pong"
    assert say(hello(), token_expires_at=expired)[0]["token_ms"] > 590_000


def test_hello_does_not_overwrite_a_fresh_token(say: Any, connections: Connections) -> None:
    say({"action": "auth", "token": token(seconds=3600)})
    say(hello())
    kept = connections.get("alice", "c1=")
    assert kept is not None
    assert kept.token_expires_at > time.time() + 3500


def test_a_token_of_another_user_closes_the_connection(say: Any, gateway: Gateway) -> None:
    [close] = say({"action": "auth", "token": token("bob")})
    assert (close["code"], close["reconnect"]) == (4003, "never")
    assert gateway.closed == ["c1="]


def test_an_invalid_token_is_refused_and_the_connection_stays_open(
    say: Any, gateway: Gateway
) -> None:
    [error] = say({"action": "auth", "id": 4, "token": token(seconds=-60)})
    assert (error["code"], error["name"], error["re"]) == (4009, "unauthorized", 4)
    assert error["message"].startswith("token:")
    assert gateway.closed == []


# --- bad frames ---


@pytest.mark.parametrize("frame", ["", "nonsense", "[]", '{"action":"shout","id":9}', None])
def test_a_bad_frame_gets_an_error_and_the_connection_stays_open(
    say: Any, gateway: Gateway, frame: Any
) -> None:
    [error] = say(frame)
    assert (error["type"], error["code"], error["name"]) == ("error", 4012, "bad_frame")
    assert gateway.closed == []

"""After a database restore, streams get new epochs, inboxes get new heads, and clients get gaps."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from chalicelib.aws.dynamodb import to_item
from chalicelib.recording import generations, outbox
from chalicelib.recording.database import Database
from chalicelib.recording.generations import Source
from chalicelib.store.inbox import Head, head_row
from cli import new_epoch
from cli.console import CommandError
from tests import builders
from tests.builders import report_of
from tests.integration.cli.conftest import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chalicelib.recording.cursor import Cursor
    from chalicelib.recording.generations import Recorded
    from chalicelib.runtime import Runtime
    from chalicelib.store.inbox import Inbox

pytestmark = pytest.mark.integration

# A callback waits for the advisory lock 1 after it has taken its offset.
WAIT_BEFORE_COMMIT = """
    CREATE FUNCTION herald.wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
    CREATE TRIGGER wait AFTER INSERT ON herald.outbox EXECUTE FUNCTION herald.wait()
"""


@pytest.fixture
def database(fresh_database: str) -> Iterator[Database]:
    found = Database(lambda: fresh_database)
    yield found
    found.close()


def do(database: Database, transaction: Any) -> Any:
    return database.run(transaction, deadline=time.monotonic() + 30, seconds=30)


def query(database: Database, text: str, *values: Any) -> list[dict[str, Any]]:
    def transaction(cursor: Any) -> Any:
        cursor.execute(text, values)
        return [dict(row) for row in cursor.fetchall()]

    found: list[dict[str, Any]] = do(database, transaction)
    return found


def record(cursor: Cursor, generation: str) -> Recorded:
    report = report_of(
        {
            "generationId": generation,
            "status": "COMPLETE",
            "imageUrl": "https://images.example/ä.png",
            "imageHeight": 1,
            "imageWidth": 1,
        }
    )
    return generations.record(cursor, report, Source(None, generation), stage="test")


def insert(cursor: Cursor, user: str) -> str:
    generation = str(uuid.uuid4())
    cursor.execute(
        "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, 'ein Fluß')",
        (generation, user),
    )
    return generation


def complete(database: Database, user: str, *, published: bool) -> str:
    """Record a generation's result an hour ago; return the event's id."""

    def transaction(cursor: Cursor) -> str | None:
        recorded = record(cursor, insert(cursor, user))
        cursor.execute(
            "UPDATE herald.outbox SET created_at = created_at - interval '1 hour' WHERE id = %s",
            (recorded.event_id,),
        )
        if published:
            outbox.mark_published(cursor, [str(recorded.event_id)])
        return recorded.event_id

    return str(do(database, transaction))


def await_waiting(database: Database, count: int) -> None:
    """Wait until so many connections wait for a lock."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        waiting = query(
            database,
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        if len(waiting) == count:
            return
    raise AssertionError(f"not {count} connections wait for a lock")


def event_of(database: Database, event_id: str) -> dict[str, Any]:
    (row,) = query(database, "SELECT event::text FROM herald.outbox WHERE id = %s", event_id)
    found: dict[str, Any] = json.loads(row["event"])
    return found


def stream_of(database: Database, user: str) -> tuple[str, int]:
    (row,) = query(
        database, "SELECT epoch::text, last_offset FROM herald.streams WHERE user_id = %s", user
    )
    return row["epoch"], row["last_offset"]


def test_every_stream_starts_again_under_a_later_epoch(database: Database) -> None:
    for user in ("alice", "alice", "bob"):
        complete(database, user, published=True)
    before = {user: stream_of(database, user)[0] for user in ("alice", "bob")}

    renewed = do(database, new_epoch.renew)

    assert renewed.moved == 0
    for user, old in before.items():
        assert stream_of(database, user) == (renewed.epochs[user], 0)
        assert renewed.epochs[user] > old
    assert renewed.epochs["alice"] != renewed.epochs["bob"]


def test_waiting_events_move_in_order_and_keep_their_ids_and_bytes(
    database: Database,
) -> None:
    """Given a published event between unpublished ones."""
    first = complete(database, "alice", published=False)
    published = complete(database, "alice", published=True)
    second = complete(database, "alice", published=False)
    other = complete(database, "bob", published=False)
    (as_recorded,) = query(database, "SELECT event::text FROM herald.outbox WHERE id = %s", first)
    untouched = event_of(database, published)

    renewed = do(database, new_epoch.renew)

    assert renewed.moved == 3
    places = [
        (event_of(database, event_id)["epoch"], event_of(database, event_id)["sequence"])
        for event_id in (first, second, other)
    ]
    alice, bob = renewed.epochs["alice"], renewed.epochs["bob"]
    assert places == [(alice, "1"), (alice, "2"), (bob, "1")]
    assert event_of(database, published) == untouched
    assert stream_of(database, "alice") == (alice, 2)
    assert event_of(database, first)["id"] == first
    (moved,) = query(database, "SELECT event::text FROM herald.outbox WHERE id = %s", first)
    old_epoch = json.loads(as_recorded["event"])["epoch"]
    assert moved["event"] == as_recorded["event"].replace(old_epoch, alice)
    # The next result gets the offset after theirs.
    following = event_of(database, complete(database, "alice", published=False))
    assert (following["epoch"], following["sequence"]) == (alice, "3")


def test_an_event_that_may_be_being_published_is_left_alone(database: Database) -> None:
    event_id = complete(database, "alice", published=False)
    query(
        database,
        "UPDATE herald.outbox SET created_at = clock_timestamp() WHERE id = %s RETURNING id",
        event_id,
    )
    before = event_of(database, event_id)

    renewed = do(database, new_epoch.renew)

    assert renewed.moved == 0
    assert event_of(database, event_id) == before
    assert stream_of(database, "alice")[1] == 0


def test_a_clock_that_went_back_changes_nothing(database: Database) -> None:
    complete(database, "alice", published=False)
    ahead = builders.epoch(-3600)
    query(database, "UPDATE herald.streams SET epoch = %s RETURNING epoch", ahead)

    with pytest.raises(CommandError, match="clock"):
        do(database, new_epoch.renew)

    assert stream_of(database, "alice") == (ahead, 1)


def test_a_callback_in_flight_keeps_its_offset_and_the_next_gets_the_new_epoch(
    database: Database, fresh_database: str
) -> None:
    """Given a callback that has taken an offset and not yet committed."""
    complete(database, "alice", published=True)
    generation = str(do(database, lambda cursor: insert(cursor, "alice")))
    others = [Database(lambda: fresh_database) for _ in range(2)]
    do(database, lambda cursor: cursor.execute(WAIT_BEFORE_COMMIT))
    with closing(psycopg2.connect(fresh_database)) as holder, ThreadPoolExecutor(2) as threads:
        holder.cursor().execute("SELECT pg_advisory_xact_lock(1)")
        recording = threads.submit(do, others[0], lambda cursor: record(cursor, generation))
        await_waiting(database, 1)
        renewing = threads.submit(do, others[1], new_epoch.renew)
        await_waiting(database, 2)
        holder.commit()
        recorded, renewed = recording.result(timeout=30), renewing.result(timeout=30)
    for other in others:
        other.close()
    assert recorded.event is not None
    assert json.loads(recorded.event)["sequence"] == "2"
    assert stream_of(database, "alice") == (renewed.epochs["alice"], 0)
    following = event_of(database, complete(database, "alice", published=False))
    assert following["sequence"] == "1"


def test_clients_get_a_gap_once_the_heads_have_moved(
    dynamodb: Any, stored: Inbox, runtime: Runtime
) -> None:
    """Given two clients at offset 5 of the old epoch. The inbox of bob already has a new head."""
    old, new = builders.epoch(3600), builders.epoch(60)
    for user, epoch, offset in (("alice", old, 5), ("bob", old, 5), ("bob", new, 3)):
        row = head_row(user, epoch, offset)
        dynamodb.put_item(TableName="inbox", Item=to_item(row))

    def ask(user: str, **resume: Any) -> dict[str, Any]:
        frame = {"action": "hello", "id": 1, "resume": resume}
        answer = runtime.message.handle(builders.websocket(frame, user_id=user))
        last: dict[str, Any] = json.loads(answer["body"])
        return last

    users = list(new_epoch.announce(dynamodb, "inbox", {"alice": new, "bob": new}))

    assert users == ["alice", "bob"]
    assert stored.head("alice") == Head(new, 0)
    assert stored.head("bob") == Head(new, 3)
    gap = ask("alice", epoch=old, offset=5)
    assert (gap["type"], gap["reason"]) == ("gap", "epoch_changed")
    assert (gap["epoch"], gap["head"]) == (new, 0)
    # From there, the client continues without another gap.
    welcome = ask("alice", epoch=new, offset=0)
    assert (welcome["type"], welcome["recovered"]) == ("welcome", True)


def test_the_command_renews_and_announces(
    stored: Inbox, database: Database, fresh_database: str, moto: str, tmp_path: Path
) -> None:
    complete(database, "alice", published=False)
    old, _ = stream_of(database, "alice")
    stack = tmp_path / "stack.env"
    stack.write_text(
        f"HERALD_INBOX_TABLE=inbox\nAWS_ENDPOINT_URL={moto}\nAWS_REGION=eu-central-1\n"
        "AWS_ACCESS_KEY_ID=test\nAWS_SECRET_ACCESS_KEY=test\n"
    )
    words = ["new-epoch", "--stack-env", str(stack)]

    code, _, errors = run(*words, HERALD_DATABASE_URL=fresh_database)
    assert code == 2
    assert "has 1 streams. Give each stream a new epoch?" in errors
    assert stream_of(database, "alice")[0] == old

    code, said, _ = run(*words, "--yes", HERALD_DATABASE_URL=fresh_database)

    assert code == 0
    assert said.splitlines() == [
        "1 streams renewed, 1 waiting events moved.",
        "1 inboxes in inbox updated.",
    ]
    assert stored.head("alice") == Head(stream_of(database, "alice")[0], 0)


def test_the_result_in_json_has_every_count(database: Database, fresh_database: str) -> None:
    complete(database, "alice", published=False)
    words = ("new-epoch", "--no-announce", "--yes", "--json")
    code, said, _ = run(*words, HERALD_DATABASE_URL=fresh_database)
    assert code == 0
    assert json.loads(said) == {"streams": 1, "moved": 1, "announced": None}


def test_a_database_that_does_not_answer_is_reported_without_its_password(tmp_path: Path) -> None:
    code, said, errors = run(
        "new-epoch",
        "--no-announce",
        "--yes",
        HERALD_DATABASE_URL="postgresql://herald:hunter2@127.0.0.1:1/herald",
    )
    assert (code, said) == (2, "")
    assert "127.0.0.1:1/herald" in errors
    assert "hunter2" not in errors

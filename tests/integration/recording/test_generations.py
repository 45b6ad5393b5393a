"""The recording transaction, the outbox and the relay, on a real PostgreSQL."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from chalicelib.errors import DatabaseUnavailable, HeadsNotKept, PublishFailed
from chalicelib.protocol import events
from chalicelib.recording import generations, outbox, relay
from chalicelib.recording.database import Database
from chalicelib.recording.generations import Outcome, Recorded, Source
from chalicelib.recording.outbox import OutboxRow
from chalicelib.recording.publishing import BATCH
from tests.builders import report_of
from tests.integration.recording.conftest import Pending
from tests.integration.recording.round_trips import counted

pytestmark = pytest.mark.integration

UNMATCHED = Recorded(Outcome.UNMATCHED)


def soon() -> float:
    return time.monotonic() + 30


def complete(generation_id: str) -> Any:
    return report_of(
        {
            "generationId": generation_id,
            "status": "COMPLETE",
            "imageUrl": "https://images.example/1.png",
            "imageHeight": 1024,
            "imageWidth": 1024,
            "coreModel": "sd-xl",
        }
    )


def progress(generation_id: str, fraction: float = 0.4) -> Any:
    return report_of({"generationId": generation_id, "status": "PENDING", "progress": fraction})


def record(
    database: Database, report: Any, delivery_id: str | None = None, deadline: float | None = None
) -> Recorded:
    return database.run(
        lambda cursor: generations.record(
            cursor,
            report,
            Source(None, report.generation_id, delivery_id=delivery_id),
            stage="test",
        ),
        deadline=deadline or soon(),
    )


def rows(admin: Any, table: str) -> list[dict[str, Any]]:
    admin.execute(f"SELECT * FROM herald.{table}")
    return list(admin.fetchall())


def test_a_result_is_recorded_with_its_offset_and_its_event(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    recorded = record(database, complete(generation_id), "msg_1")
    [generation] = rows(admin, "generations")
    [stream] = rows(admin, "streams")
    [waiting] = rows(admin, "outbox")
    assert recorded.outcome == "recorded"
    assert (generation["status"], generation["version"]) == ("COMPLETE", 2)
    assert generation["updated_at"] > generation["created_at"]
    event = events.parse(recorded.event or "")
    assert (event.user_id, event.offset, event.epoch) == ("alice", 1, stream["epoch"])
    assert waiting["id"] == recorded.event_id == event.id
    assert waiting["published_at"] is None


def test_the_outbox_keeps_the_event_byte_for_byte(
    database: Database, admin: Any, pending: Pending
) -> None:
    recorded = record(database, complete(pending(prompt="  spaces, é, \\u and \t tabs ")))
    admin.execute("SELECT event::text FROM herald.outbox")
    assert admin.fetchone()["event"] == recorded.event


def test_an_error_is_recorded_with_its_reason(
    database: Database, admin: Any, pending: Pending
) -> None:
    given = {"code": "nsfw", "message": "refused"}
    result = report_of({"generationId": pending(), "status": "ERROR", "error": given})
    recorded = record(database, result)
    failure = {"code": "generation_failed", "message": "refused", "providerCode": "nsfw"}
    assert json.loads(recorded.event or "")["data"]["error"] == failure
    assert rows(admin, "generations")[0]["error"] == failure


def test_a_repeated_webhook_changes_nothing_and_returns_an_unpublished_event(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    first = record(database, complete(generation_id), "msg_1")
    again = record(database, complete(generation_id), "msg_1")
    assert again == first._replace(outcome=Outcome.DUPLICATE)
    database.run(
        lambda cursor: outbox.mark_published(cursor, [str(first.event_id)]), deadline=soon()
    )
    assert record(database, complete(generation_id), "msg_1").event is None
    assert rows(admin, "streams")[0]["last_offset"] == 1


def test_a_second_result_for_a_generation_changes_nothing(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    record(database, complete(generation_id), "msg_1")
    other = report_of({"generationId": generation_id, "status": "ERROR"})
    assert record(database, other, "msg_2").outcome == "unchanged"
    assert rows(admin, "generations")[0]["status"] == "COMPLETE"
    assert len(rows(admin, "outbox")) == 1


def test_an_unknown_generation_is_unmatched_and_leaves_no_receipt(
    database: Database, admin: Any
) -> None:
    assert record(database, complete(str(uuid.uuid4())), "msg_1") == UNMATCHED
    for table in ("webhook_receipts", "streams", "outbox"):
        assert rows(admin, table) == []


def test_a_webhook_id_that_came_before_records_another_generation(
    database: Database, admin: Any, pending: Pending
) -> None:
    first, second = pending(), pending()
    assert record(database, complete(first), "msg_1").outcome == "recorded"
    assert record(database, complete(second), "msg_1").outcome == "recorded"
    assert {row["status"] for row in rows(admin, "generations")} == {"COMPLETE"}
    assert len(rows(admin, "outbox")) == 2


def test_a_known_webhook_id_with_an_unknown_generation_is_unmatched(
    database: Database, pending: Pending
) -> None:
    record(database, complete(pending()), "msg_1")
    assert record(database, complete(str(uuid.uuid4())), "msg_1") == UNMATCHED


def test_sizes_that_the_provider_does_not_report_stay_the_integrators(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    admin.execute("UPDATE herald.generations SET image_width = 640, image_height = 480")
    report = {"generationId": generation_id, "status": "COMPLETE", "imageUrl": "https://x/1.png"}
    recorded = record(database, report_of(report | {"imageWidth": 800}))
    data = json.loads(recorded.event or "")["data"]
    assert (data["imageWidth"], data["imageHeight"]) == (800, 480)


def test_all_outputs_are_kept(database: Database, admin: Any, pending: Pending) -> None:
    clip = {"kind": "video", "url": "https://x/1.mp4", "durationMs": 5000, "safe": True}
    report = {"generationId": pending(), "status": "COMPLETE", "outputs": [clip]}
    recorded = record(database, report_of(report))
    assert recorded.outcome == "recorded"
    [kept] = rows(admin, "generations")[0]["outputs"]
    assert {name: value for name, value in kept.items() if value is not None} == clip
    assert json.loads(recorded.event or "")["data"]["outputs"] == [kept]


def test_progress_is_kept_once_a_second_until_the_result(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    first = record(database, progress(generation_id, 0.4), "p1")
    assert (first.outcome, first.event_id) == (Outcome.PROGRESS, None)
    assert json.loads(first.event or "")["data"]["progress"] == 0.4
    [kept] = rows(admin, "generations")
    assert kept["progress"] == {"progress": 0.4, "step": None, "previewUrl": None}
    assert (kept["status"], kept["version"]) == ("PENDING", 1)
    assert record(database, progress(generation_id, 0.5), "p2").outcome == "limited"
    admin.execute("UPDATE herald.generations SET progress_at = progress_at - interval '1 second'")
    assert record(database, progress(generation_id, 0.6), "p2").outcome == "progress"
    assert rows(admin, "generations")[0]["progress"]["progress"] == 0.6
    assert record(database, complete(generation_id), "r").outcome == "recorded"
    [ended] = rows(admin, "generations")
    assert (ended["progress"], ended["progress_at"]) == (None, None)


def test_repeated_progress_is_dropped(database: Database, admin: Any, pending: Pending) -> None:
    generation_id = pending()
    record(database, progress(generation_id, 0.4), "p1")
    admin.execute("UPDATE herald.generations SET progress_at = progress_at - interval '1 hour'")
    assert record(database, progress(generation_id, 0.9), "p1").outcome == "duplicate"
    assert rows(admin, "generations")[0]["progress"]["progress"] == 0.4


def test_progress_after_the_end_is_dropped_without_a_receipt(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    record(database, complete(generation_id), "r")
    assert record(database, progress(generation_id), "p") == Recorded(Outcome.LATE, generation_id)
    assert rows(admin, "generations")[0]["progress"] is None
    assert [row["id"] for row in rows(admin, "webhook_receipts")] == ["r"]


def test_progress_of_an_unknown_generation_is_unmatched(database: Database, admin: Any) -> None:
    assert record(database, progress(str(uuid.uuid4())), "p") == UNMATCHED
    assert rows(admin, "webhook_receipts") == []


def test_a_receipt_is_stored_only_with_what_it_recorded(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    record(database, complete(generation_id), "r1")
    for _ in range(2):
        assert record(database, complete(generation_id), "r2").outcome == "unchanged"
    admin.execute("ALTER TABLE herald.outbox RENAME TO elsewhere")
    with pytest.raises(DatabaseUnavailable):
        record(database, complete(pending()), "r3", deadline=time.monotonic())
    assert [row["id"] for row in rows(admin, "webhook_receipts")] == ["r1"]
    assert rows(admin, "streams")[0]["last_offset"] == 1


def test_a_result_that_waited_for_progress_is_recorded(
    database: Database, admin: Any, pending: Pending
) -> None:
    """The row changes while the result waits for it: the statement began with the older one."""
    generation_id = pending()
    admin.execute("BEGIN")
    admin.execute("UPDATE herald.generations SET core_model = 'newer', progress = '{}'")
    with ThreadPoolExecutor(1) as threads:
        report = complete(generation_id)._replace(model=None)
        recording = threads.submit(record, database, report, "r")
        await_lock(admin)
        admin.execute("COMMIT")
        recorded = recording.result()
    assert recorded.outcome == "recorded"
    assert json.loads(recorded.event or "")["data"]["coreModel"] == "newer"


def test_a_result_that_waited_for_another_is_a_duplicate(
    reached: str, database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    admin.execute("BEGIN")
    admin.execute("UPDATE herald.generations SET status = 'COMPLETE', version = version + 1")
    admin.execute("INSERT INTO herald.webhook_receipts (id) VALUES ('r')")
    with ThreadPoolExecutor(1) as threads:
        recording = threads.submit(record, database, complete(generation_id), "r")
        await_lock(admin)
        admin.execute("COMMIT")
        assert recording.result().outcome == "duplicate"
    assert rows(admin, "streams") == []


def await_lock(admin: Any) -> None:
    """Wait until a connection of Herald waits for a lock in this database."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        admin.execute(
            "SELECT count(*) AS waiting FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
        if admin.fetchone()["waiting"]:
            return
    raise AssertionError("nothing waits for a lock")


def test_round_trips(reached: str, admin: Any, pending: Pending) -> None:
    """A result takes one, its mark one, and progress one: the limits and COMMIT have none of their
    own.
    """
    parts = parse_dsn(reached)
    generation_id = pending()
    with counted((parts["host"], int(parts["port"]))) as (trips, port):
        through = Database(lambda: make_dsn(reached, port=port))

        def taken(act: Callable[[], Any]) -> int:
            before = trips.count
            act()
            return trips.count - before

        record(through, complete(pending()))  # connects
        assert taken(lambda: record(through, progress(generation_id), "p")) == 1
        recorded: list[Recorded] = []
        report = complete(generation_id)
        assert taken(lambda: recorded.append(record(through, report, "r"))) == 1
        assert taken(lambda: record(through, report, "r")) == 2, "a repeated one is looked up"
        published = [str(recorded[0].event_id)]
        assert (
            taken(
                lambda: through.run(
                    lambda cursor: outbox.mark_published(cursor, published), deadline=soon()
                )
            )
            == 1
        )
        assert taken(lambda: through.run(outbox.oldest_unpublished_seconds, deadline=soon())) == 1
        through.close()
    assert [row["published_at"] is None for row in rows(admin, "outbox")].count(True) == 1


def test_concurrent_results_of_one_user_get_contiguous_offsets(
    reached: str, admin: Any, pending: Pending
) -> None:
    ids = [pending() for _ in range(40)]
    pools = [Database(lambda: reached) for _ in range(4)]

    def work(worker: int) -> None:
        for generation_id in ids:  # all workers record every result; only one can win
            record(pools[worker], complete(generation_id), f"{worker}-{generation_id}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    admin.execute("SELECT (event->>'sequence')::int AS sequence FROM herald.outbox")
    assert sorted(row["sequence"] for row in admin.fetchall()) == list(range(1, 41))
    for pool in pools:
        pool.close()


def test_epochs_are_version_7_uuids_that_sort_by_age(admin: Any) -> None:
    drawn = []
    for _ in range(5):
        admin.execute("SELECT herald.herald_epoch()::text AS epoch, pg_sleep(0.002)")
        drawn.append(admin.fetchone()["epoch"])
    assert drawn == sorted(drawn)
    for text in drawn:
        assert uuid.UUID(text).version == 7
        assert uuid.UUID(text).variant == uuid.RFC_4122
        assert abs((uuid.UUID(text).int >> 80) / 1000 - time.time()) < 60


class FakePublisher:
    """A fake of SNS that accepts events. It rejects the events in `refuses`, or all events while
    `down` is true.
    """

    def __init__(self) -> None:
        self.published: list[str] = []
        self.refuses: set[str] = set()
        self.down = False
        self.meanwhile: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def publish_batch(self, batch: list[OutboxRow], *, deadline: float) -> list[str]:
        self.meanwhile()
        if self.down:
            raise PublishFailed("Throttling")
        with self._lock:
            taken = [row.id for row in batch if row.id not in self.refuses]
            self.published += taken
        return taken

    def alert(self, subject: str, **details: object) -> None:
        pass


def backlog(database: Database, admin: Any, pending: Pending, count: int) -> list[str]:
    """Record results with a time in the past, without publishing their events."""
    ids = [str(record(database, complete(pending())).event_id) for _ in range(count)]
    admin.execute("UPDATE herald.outbox SET created_at = created_at - interval '1 minute'")
    return ids


def drain(database: Database, publisher: Any) -> int:
    return relay.drain(database, publisher, deadline=time.monotonic() + 60)


def test_the_relay_publishes_the_whole_backlog_oldest_first(
    database: Database, admin: Any, pending: Pending
) -> None:
    ids = backlog(database, admin, pending, 20)
    publisher = FakePublisher()
    assert drain(database, publisher) == 20
    assert publisher.published == ids
    assert drain(database, publisher) == 0
    assert database.run(outbox.oldest_unpublished_seconds, deadline=soon()) == 0


def test_the_relay_leaves_new_rows_to_the_callback(
    database: Database, admin: Any, pending: Pending
) -> None:
    record(database, complete(pending()))
    assert drain(database, FakePublisher()) == 0
    assert database.run(outbox.oldest_unpublished_seconds, deadline=soon()) > 0


def test_two_relays_at_once_publish_each_event_once(
    reached: str, database: Database, admin: Any, pending: Pending
) -> None:
    ids = backlog(database, admin, pending, 40)
    publisher = FakePublisher()
    both_hold_a_batch = threading.Barrier(2, timeout=20)
    first_batches = iter(range(2))

    def meanwhile() -> None:
        if next(first_batches, None) is not None:
            both_hold_a_batch.wait()

    publisher.meanwhile = meanwhile
    others = [Database(lambda: reached) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        relayed = list(threads.map(lambda source: drain(source, publisher), others))
    assert sum(relayed) == 40
    assert min(relayed) >= 8
    assert sorted(publisher.published) == sorted(ids)
    for other in others:
        other.close()


def test_an_event_that_sns_refuses_does_not_hold_up_the_rest(
    database: Database, admin: Any, pending: Pending
) -> None:
    ids = backlog(database, admin, pending, 20)
    publisher = FakePublisher()
    publisher.refuses = {ids[0], ids[5]}
    assert drain(database, publisher) == 18
    publisher.refuses = set()
    assert drain(database, publisher) == 2


def test_the_relay_stops_when_sns_is_down_and_loses_nothing(
    database: Database, admin: Any, pending: Pending
) -> None:
    ids = backlog(database, admin, pending, 20)
    publisher = FakePublisher()
    publisher.down = True
    assert drain(database, publisher) == 0
    publisher.down = False
    assert drain(database, publisher) == 20
    assert sorted(publisher.published) == sorted(ids)


def test_only_old_published_rows_are_purged(
    database: Database, admin: Any, pending: Pending
) -> None:
    old, unpublished, young = (record(database, complete(pending()), f"m{n}") for n in range(3))
    admin.execute("UPDATE herald.outbox SET created_at = now() - interval '30 days'")
    admin.execute(
        "UPDATE herald.outbox SET published_at = now() - interval '8 days' WHERE id = %s",
        (old.event_id,),
    )
    admin.execute("UPDATE herald.outbox SET published_at = now() WHERE id = %s", (young.event_id,))
    admin.execute(
        "UPDATE herald.webhook_receipts SET received_at = now() - interval '8 days' WHERE id = 'm0'"
    )
    heads: list[Any] = []
    purged = relay.purge(database, 7, heads.extend, deadline=time.monotonic() + 60)
    assert purged == 2
    assert {row["id"] for row in rows(admin, "outbox")} == {unpublished.event_id, young.event_id}
    assert heads == [], "the stream has younger events"
    assert {row["id"] for row in rows(admin, "webhook_receipts")} == {"m1", "m2"}


def test_a_hanging_statement_is_abandoned_in_time(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    admin.execute("BEGIN")
    admin.execute("SELECT * FROM herald.generations FOR UPDATE")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        record(database, complete(generation_id), deadline=time.monotonic() + 1.0)
    assert time.monotonic() - began < 5
    admin.execute("ROLLBACK")
    again = record(database, complete(generation_id))
    assert again.outcome in ("recorded", "unchanged"), "PostgreSQL may yet have committed it"
    assert [row["id"] for row in rows(admin, "outbox")] == [again.event_id]
    assert again.event is not None, "it is published in either case"


def test_rows_that_sns_refuses_do_not_hold_up_the_others(
    database: Database, admin: Any, pending: Pending
) -> None:
    publisher = FakePublisher()
    for number in range(3 * BATCH):
        recorded = record(database, complete(pending()))
        if number < 2 * BATCH:
            publisher.refuses.add(str(recorded.event_id))
    admin.execute("UPDATE herald.outbox SET created_at = created_at - interval '1 minute'")
    assert drain(database, publisher) == BATCH


def test_a_broken_connection_is_replaced_within_the_same_call(
    database: Database, admin: Any, pending: Pending
) -> None:
    database.run(lambda cursor: cursor.execute("SELECT 1"), deadline=soon())
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'herald' AND pid <> pg_backend_pid()"
    )
    assert record(database, complete(pending())).outcome == "recorded"


def test_a_server_that_refuses_connections_is_tried_three_times(postgres: Any) -> None:
    tries: list[int] = []
    nowhere = Database(
        lambda: "postgresql://herald@127.0.0.1:1/herald", lambda tried, exc: tries.append(tried)
    )
    with pytest.raises(DatabaseUnavailable):
        nowhere.run(lambda cursor: None, deadline=soon())
    assert tries == [1, 2, 3]


def no_heads(heads: Any) -> None:
    raise AssertionError(heads)


def test_the_head_is_kept_before_the_last_event_is_deleted(
    database: Database, admin: Any, pending: Pending
) -> None:
    last = [record(database, complete(pending())) for _ in range(2)][-1]
    assert last.event is not None
    event = json.loads(last.event)
    admin.execute("UPDATE herald.outbox SET published_at = now() - interval '8 days'")
    heads: list[Any] = []

    def refused(_: Any) -> None:
        assert rows(admin, "outbox"), "nothing is deleted before the head is stored"
        raise HeadsNotKept

    with pytest.raises(HeadsNotKept):
        relay.purge(database, 7, refused, deadline=soon())
    assert len(rows(admin, "outbox")) == 2
    assert relay.purge(database, 7, heads.extend, deadline=soon()) == 2
    assert heads == [(event["userid"], event["epoch"], int(event["sequence"]))]
    assert rows(admin, "outbox") == []


def test_a_large_purge_takes_several_transactions(database: Database, admin: Any) -> None:
    admin.execute(
        "INSERT INTO herald.webhook_receipts (id, received_at)"
        " SELECT n, now() - interval '8 days' FROM generate_series(1, 35) AS n"
    )
    deadline = time.monotonic() + 60
    assert relay.purge(database, 7, no_heads, deadline=deadline, limit=10) == 35
    assert rows(admin, "webhook_receipts") == []

"""The events that PostgreSQL writes when it records results."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chalicelib.protocol import event_writer, events
from chalicelib.providers.report import ErrorCode, Failure, File, Kind, Output, Report, State
from chalicelib.recording import columns, generations
from chalicelib.recording.database import Database
from chalicelib.recording.generations import Recorded, Source
from tests.builders import result_event
from tests.contracts import contracts
from tests.integration.recording.conftest import Pending
from tests.integration.recording.test_generations import record, rows, soon

pytestmark = pytest.mark.integration

CREATED = datetime(2025, 5, 19, 11, 32, 0, 123_999, UTC)
SCHEMA = Draft202012Validator(contracts()["event.schema.json"])
PICTURE = Output("https://images.example/1.png", Kind.IMAGE, "image/png", 768, 1024)
CLIP = Output("https://images.example/é.mp4", Kind.VIDEO, duration_ms=4000, safe=True)


def succeeded(generation_id: str, *outputs: Output, **changes: Any) -> Report:
    return Report(State.SUCCEEDED, None, generation_id, outputs, model="sd-xl", **changes)


def failed(generation_id: str, *reason: Any) -> Report:
    return Report(State.FAILED, None, generation_id, failure=Failure(*reason))


def test_a_complete_generation_becomes_a_cloud_event(
    database: Database, admin: Any, pending: Pending
) -> None:
    generation_id = pending()
    admin.execute("UPDATE herald.generations SET created_at = %s", (CREATED,))
    recorded = record(database, succeeded(generation_id, PICTURE))
    event = json.loads(recorded.event or "")
    [stream], [row] = rows(admin, "streams"), rows(admin, "generations")
    now = row["updated_at"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": event_writer.event_id(generation_id, 2),
        "source": "herald/test",
        "type": "herald.generation.complete",
        "subject": generation_id,
        "time": now,
        "datacontenttype": "application/json",
        "userid": "alice",
        "epoch": stream["epoch"],
        "sequence": "1",
    }
    del data["outputs"]
    assert data == {
        "prompt": "a lighthouse",
        "status": "COMPLETE",
        "imageUrl": "https://images.example/1.png",
        "imageHeight": 1024,
        "imageWidth": 768,
        "coreModel": "sd-xl",
        "createdAt": "2025-05-19T11:32:00.123Z",
        "updatedAt": now,
    }


def test_the_event_of_a_failed_generation_has_the_reason(
    database: Database, pending: Pending
) -> None:
    reason = (ErrorCode.MODERATED, "refused", "nsfw")
    event = json.loads(record(database, failed(pending(), *reason)).event or "")
    assert event["type"] == "herald.generation.error"
    assert event["data"]["error"] == {
        "code": ErrorCode.MODERATED,
        "message": "refused",
        "providerCode": "nsfw",
    }


def test_the_outputs_of_a_generation_come_with_the_fields_of_its_row(
    database: Database, pending: Pending
) -> None:
    report = succeeded(pending(), PICTURE, CLIP, files=(File(Kind.AUDIO, b"1"),))
    data = json.loads(record(database, report).event or "")["data"]
    assert data["outputs"] == columns.result(report).outputs
    assert (data["imageUrl"], data["outputsNotKept"]) == (PICTURE.url, 1)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
sizes = st.none() | st.integers(1, 65_535)
outputs = st.builds(
    Output,
    texts.map("https://i/".__add__),
    st.sampled_from(Kind),
    content_type=st.none() | texts,
    width=sizes,
    height=sizes,
    duration_ms=st.none() | st.integers(0, 2**40),
    bytes=st.none() | st.integers(0, 2**40),
    expires_at=st.just("2025-05-19T12:32:05Z"),
    safe=st.none() | st.booleans(),
)
reports = st.one_of(
    st.builds(
        lambda found, model: Report(State.SUCCEEDED, None, None, tuple(found), model=model),
        st.lists(outputs, max_size=3),
        st.none() | texts,
    ),
    st.builds(
        lambda code, message, word: failed("", code, message, word),
        st.sampled_from(ErrorCode),
        st.none() | texts,
        st.none() | texts,
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, texts, reports, st.timedeltas(timedelta(-10_000), timedelta(10_000)))
def test_postgresql_writes_the_same_bytes_as_python(
    database: Database,
    admin: Any,
    pending: Pending,
    prompt: str,
    user: str,
    report: Report,
    age: timedelta,
) -> None:
    generation_id = pending(f"u{user}", prompt)
    admin.execute(
        "UPDATE herald.generations SET created_at = %s WHERE id = %s",
        (CREATED + age, generation_id),
    )
    recorded = record(database, report._replace(generation_id=generation_id))
    admin.execute(
        "SELECT * FROM herald.generations JOIN herald.streams USING (user_id) WHERE id = %s",
        (generation_id,),
    )
    row = admin.fetchone()
    admin.execute("SELECT event::text FROM herald.outbox WHERE id = %s", (recorded.event_id,))
    assert admin.fetchone()["event"] == recorded.event
    assert recorded.event == result_event(
        row,
        epoch=row["epoch"],
        offset=row["last_offset"],
        outputs=columns.result(report).outputs or (),
    )
    published = event_writer.fitted(recorded.event or "")
    assert events.parse(published, stage="test").id == recorded.event_id
    SCHEMA.validate(json.loads(published))


def test_the_event_of_a_new_version_has_another_id(
    database: Database, admin: Any, pending: Pending
) -> None:
    """A provider's result supersedes Herald's own timeout."""
    generation_id = pending()
    error: Any = {"code": "timeout", "message": "late"}
    ended = columns.Result("ERROR", None, None, None, None, error, None)

    def expire(cursor: Any) -> Recorded:
        cursor.execute("SELECT 1")  # as `reconcile`, which finds the row first
        return generations.record_result(
            cursor, ended, Source(None, generation_id), stage="test", provisional=True
        )

    first = database.run(expire, deadline=soon())
    second = record(database, succeeded(generation_id, PICTURE))
    assert (first.event_id, second.event_id) == tuple(
        event_writer.event_id(generation_id, version) for version in (2, 3)
    )
    assert [row["id"] for row in rows(admin, "outbox")] == [first.event_id, second.event_id]


def test_a_prompt_that_is_too_long_is_cut_when_its_event_is_published(
    database: Database, admin: Any, pending: Pending
) -> None:
    prompt = "é\ufffe" * 30_000
    recorded = record(database, succeeded(pending(prompt=prompt), PICTURE))
    assert json.loads(recorded.event or "")["data"]["prompt"] == prompt[: events.MAX_EVENT_BYTES]
    assert rows(admin, "generations")[0]["prompt"] == prompt
    published = event_writer.fitted(recorded.event or "")
    assert len(published.encode()) <= events.MAX_EVENT_BYTES
    assert "\ufffe" not in published
    data = json.loads(published)["data"]
    assert prompt.startswith(data["prompt"])
    assert data["truncated"] is True

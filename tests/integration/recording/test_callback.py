"""The callback, from a signed webhook to the database, SNS and the response."""

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import psycopg2
import pytest
from standardwebhooks import Webhook

from chalicelib.errors import ServiceError
from chalicelib.recording.callback import Callback
from chalicelib.recording.database import Database
from chalicelib.recording.publishing import Publisher
from chalicelib.recording.recorder import Recorder
from chalicelib.recording.webhooks import Webhooks
from tests.builders import Context
from tests.fakes.functions import FakeFunction

pytestmark = pytest.mark.integration

Call = Callable[..., tuple[int, Any, dict[str, str]]]
SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()


class FakeSns:
    """The part of SNS that the publisher uses; it refuses the next `refusals` events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.refusals = 0

    def publish(self, topic: str, message: str, **options: Any) -> None:
        if topic.endswith("error-notifications"):
            self.alerts.append({"Message": message, **options})
        elif self.refusals:
            self.refusals -= 1
            raise ServiceError("sns", 400, "Throttling")
        else:
            self.events.append({"Message": message, **options})


@pytest.fixture
def sns() -> FakeSns:
    return FakeSns()


def callback_with(
    sns: FakeSns, database: Database, secrets: Callable[[], str] = lambda: SECRET
) -> Callback:
    """The function, without waits between attempts."""
    arns = ("generation-complete", "error-notifications")
    publisher = Publisher(cast(Any, sns), *arns)
    webhooks = Webhooks(lambda: "", secrets, cast(Any, None))
    recorder = Recorder("test", database, publisher)
    return Callback(webhooks, recorder, cast(Any, FakeFunction()))


def database_at(dsn: Callable[[], str]) -> Database:
    return Database(dsn, sleep=lambda seconds: None)


@pytest.fixture
def callback(sns: FakeSns, reached: str) -> Iterator[Callback]:
    """The function on a database of its own."""
    kept = database_at(lambda: reached)
    yield callback_with(sns, kept)
    kept.close()


@pytest.fixture
def call(callback: Callback) -> Call:
    """Send a signed webhook; returns the response's status, body and headers."""
    return partial(send, callback)


@pytest.fixture
def database(fresh_database: str) -> Iterator[Any]:
    connection = psycopg2.connect(fresh_database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture
def generation_id(database: Any) -> str:
    found = str(uuid.uuid4())
    database.execute(
        "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, 'alice', 'p')", (found,)
    )
    return found


def body_of(generation_id: str, **changes: Any) -> str:
    return json.dumps(
        {
            "generationId": generation_id,
            "status": "COMPLETE",
            "imageUrl": "https://images.example/1.png",
            "imageHeight": 1,
            "imageWidth": 1,
            **changes,
        }
    )


def send(
    callback: Callback, body: str, webhook_id: str = "msg_1", **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Send a signed webhook in the form of an HTTP API event; return status, body and headers."""
    now = datetime.now(UTC)
    event = {
        "requestContext": {"http": {"method": "POST"}},
        "headers": {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(webhook_id, now, body),
            **headers,
        },
        "body": body,
        "isBase64Encoded": False,
    }
    answer = callback.handle(event, Context(14))
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def outbox(database: Any) -> list[tuple[Any, ...]]:
    database.execute("SELECT event::text, published_at IS NOT NULL FROM herald.outbox")
    return list(database.fetchall())


def await_published(database: Any) -> str:
    """Return the only event of the outbox once it is marked as published."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        [(event, published)] = outbox(database)
        if published:
            return str(event)
    raise AssertionError("the event is not marked as published")


def written(database: Any) -> int:
    database.execute(
        "SELECT (SELECT count(*) FROM herald.outbox)"
        " + (SELECT count(*) FROM herald.webhook_receipts)"
        " + (SELECT count(*) FROM herald.generations WHERE status <> 'PENDING')"
    )
    return int(database.fetchone()[0])


def test_a_webhook_is_recorded_published_and_marked(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    status, answer, _ = call(body_of(generation_id))
    assert (status, answer["outcome"]) == (200, "recorded")
    event = await_published(database)
    [message] = sns.events
    assert message["Message"] == event
    assert answer["eventId"] == json.loads(event)["id"]
    assert message["attributes"] == {"type": "herald.generation.complete", "status": "COMPLETE"}


def test_the_answer_does_not_wait_for_the_mark(
    sns: FakeSns, database: Any, generation_id: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = sns.publish

    def lock_and_publish(*arguments: Any, **options: Any) -> None:
        database.execute("BEGIN; SELECT FROM herald.outbox FOR UPDATE")
        publish(*arguments, **options)

    monkeypatch.setattr(sns, "publish", lock_and_publish)
    assert call(body_of(generation_id))[0] == 200
    assert not outbox(database)[0][1]
    database.execute("COMMIT")
    await_published(database)


def test_a_replayed_webhook_is_200_and_publishes_nothing(
    sns: FakeSns, generation_id: str, call: Call
) -> None:
    call(body_of(generation_id))
    status, answer, _ = call(body_of(generation_id))
    assert (status, answer["outcome"], len(sns.events)) == (200, "duplicate", 1)


def test_header_names_may_come_in_any_case(generation_id: str, callback: Callback) -> None:
    body, now = body_of(generation_id), datetime.now(UTC)
    headers = {
        "Webhook-Id": "m",
        "WEBHOOK-TIMESTAMP": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("m", now, body),
    }
    event = {"requestContext": {}, "headers": headers, "body": body}
    assert callback.handle(event, Context())["statusCode"] == 200


def test_a_direct_invocation_takes_the_same_object_without_a_signature(
    sns: FakeSns, generation_id: str, callback: Callback
) -> None:
    answer = callback.handle(json.loads(body_of(generation_id)), Context())
    assert (answer["statusCode"], len(sns.events)) == (200, 1)


def test_each_bad_request_gets_its_error_and_writes_nothing(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    good = body_of(generation_id)
    for (status, answer, _), wanted in (
        (call(good, **{"webhook-signature": "v1,forged"}), (401, "bad_signature", None)),
        (call(good, **{"webhook-timestamp": "1"}), (401, "bad_signature", None)),
        (call("not json"), (422, "invalid_body", "body")),
        (call(body_of(generation_id, status="DONE")), (422, "invalid_body", "status")),
        (call(body_of(generation_id, imageUrl="ftp://x")), (422, "invalid_body", "imageUrl")),
        (call(body_of(str(uuid.uuid4()))), (404, "unknown_generation", "generationId")),
        (call(body_of(generation_id, extra="x" * 1_100_000)), (413, "body_too_large", None)),
    ):
        assert (status, answer["error"], answer.get("field")) == wanted
        assert answer["message"]
    assert written(database) == 0
    assert sns.events == []


def test_when_sns_fails_the_response_is_200_and_the_outbox_keeps_the_event(
    sns: FakeSns, database: Any, generation_id: str, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    sns.refusals = 1
    status, answer, _ = call(body_of(generation_id))
    assert (status, answer["outcome"]) == (200, "recorded")
    assert not outbox(database)[0][1]
    [alert] = sns.alerts
    assert json.loads(alert["Message"])["eventId"] == answer["eventId"]
    assert '"PublishFailures":1' in capsys.readouterr().out


def test_when_the_database_is_down_the_provider_is_asked_to_retry(
    sns: FakeSns, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "postgresql://herald@127.0.0.1:1/herald"
    call = partial(send, callback_with(sns, database_at(lambda: nowhere)))
    generation_id = str(uuid.uuid4())
    status, answer, headers = call(body_of(generation_id))
    assert (status, answer["error"], headers["retry-after"]) == (503, "not_recorded", "10")
    [notice] = [json.loads(message["Message"]) for message in sns.events]
    assert (notice["type"], notice["subject"]) == ("herald.generation.error", generation_id)
    assert "sequence" not in notice
    assert "userid" not in notice, "the owner is unknown"
    assert len(sns.alerts) == 1
    assert '"DatabaseFailures":1' in capsys.readouterr().out


def unreadable() -> str:
    raise ServiceError("secretsmanager", 400, "AccessDeniedException")


def test_an_unreadable_database_secret_counts_as_a_database_that_is_down(
    sns: FakeSns, capsys: pytest.CaptureFixture[str]
) -> None:
    call = partial(send, callback_with(sns, database_at(unreadable)))
    status, answer, headers = call(body_of(str(uuid.uuid4())))
    assert (status, answer["error"], headers["retry-after"]) == (503, "not_recorded", "10")
    assert len(sns.events) == len(sns.alerts) == 1
    assert '"DatabaseFailures":1' in capsys.readouterr().out


def test_when_the_webhook_secret_is_unreadable_the_provider_is_asked_to_retry(
    sns: FakeSns, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = database_at(lambda: "postgresql://herald@127.0.0.1:1/herald")
    call = partial(send, callback_with(sns, nowhere, unreadable))
    status, answer, headers = call(body_of(str(uuid.uuid4())))
    assert (status, answer["error"], headers["retry-after"]) == (503, "not_recorded", "10")
    assert not sns.events, "an unverified webhook publishes nothing"
    assert "AccessDeniedException" in capsys.readouterr().out


def test_when_the_database_fails_after_the_owner_was_read_the_owner_gets_the_notice(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    database.execute("ALTER TABLE herald.outbox RENAME TO elsewhere")
    assert call(body_of(generation_id))[0] == 503
    [notice] = [json.loads(message["Message"]) for message in sns.events]
    assert notice["userid"] == "alice"
    database.execute("ALTER TABLE herald.elsewhere RENAME TO outbox")
    status, answer, _ = call(body_of(generation_id))
    assert (status, answer["outcome"]) == (200, "recorded"), "the retry supersedes the notice"


def test_when_the_database_fails_in_its_first_statement_the_owner_gets_the_notice(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    database.execute("ALTER TABLE herald.streams RENAME TO elsewhere")
    assert call(body_of(generation_id))[0] == 503
    [notice] = [json.loads(message["Message"]) for message in sns.events]
    assert notice["userid"] == "alice"


def test_progress_is_published_without_the_outbox_until_the_result(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    body = json.dumps({"generationId": generation_id, "status": "PENDING", "progress": 0.4})
    for webhook_id, outcome in (("p1", "progress"), ("p2", "limited")):
        status, answer, _ = call(body, webhook_id)
        assert (status, answer) == (200, {"generationId": generation_id, "outcome": outcome})
    database.execute("SELECT progress->>'progress', status FROM herald.generations")
    assert database.fetchone() == ("0.4", "PENDING")
    assert call(body_of(generation_id), "r")[1]["outcome"] == "recorded"
    assert call(body, "p3")[1]["outcome"] == "late"
    progress, result = (json.loads(message["Message"]) for message in sns.events)
    assert (progress["type"], progress["userid"]) == ("herald.generation.progress", "alice")
    assert (progress["data"]["status"], progress["data"]["progress"]) == ("PENDING", 0.4)
    assert "sequence" not in progress
    assert result["type"] == "herald.generation.complete"
    assert len(outbox(database)) == 1


def test_progress_that_sns_refuses_is_lost_without_an_alert(
    sns: FakeSns, generation_id: str, call: Call
) -> None:
    sns.refusals = 1
    body = json.dumps({"generationId": generation_id, "status": "PENDING", "progress": 0.4})
    assert call(body)[0] == 200
    assert (sns.events, sns.alerts) == ([], [])


def test_progress_that_cannot_be_kept_alarms_nobody(
    sns: FakeSns, database: Any, generation_id: str, call: Call
) -> None:
    """A result follows. A notice would tell the owner that the generation has failed."""
    database.execute("ALTER TABLE herald.generations DROP COLUMN progress")
    status, _, headers = call(json.dumps({"generationId": generation_id, "status": "PENDING"}))
    assert (status, headers["retry-after"]) == (503, "10")
    assert (sns.events, sns.alerts) == ([], [])


def test_repaired_details_are_counted_and_named(
    generation_id: str, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    body = body_of(generation_id, imageHeight=0, coreModel="m" * 201)
    assert call(body)[1]["outcome"] == "recorded"
    logged = capsys.readouterr().out
    assert '"DetailsRepaired":2' in logged
    assert "coreModel, imageHeight" in logged


def test_a_result_that_a_constraint_rejects_is_500_and_reported_without_the_row(
    sns: FakeSns, database: Any, generation_id: str, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    """Given a constraint that the integrator added. PostgreSQL's DETAIL quotes the rejected row."""
    database.execute("UPDATE herald.generations SET prompt = 'a secret lighthouse'")
    database.execute(
        "ALTER TABLE herald.generations ADD CONSTRAINT ours CHECK (image_width < 1000)"
    )
    signed = "https://images.example/1.png?signature=hunter2"
    body = body_of(generation_id, imageUrl=signed, imageWidth=2000)
    status, answer, headers = call(body)
    assert (status, answer["error"]) == (500, "database_rejected")
    assert "retry-after" not in headers
    logged = capsys.readouterr().out
    [alert] = sns.alerts
    [notice] = sns.events
    said = "CheckViolation 23514 ours: new row for relation"
    assert said in logged
    assert said in alert["Message"]
    assert '"DatabaseFailures":1' in logged
    for text in (logged, str(alert), str(notice), str(answer)):
        assert "lighthouse" not in text
        assert "hunter2" not in text
    assert written(database) == 0
    database.execute("ALTER TABLE herald.generations DROP CONSTRAINT ours")
    assert call(body)[0] == 200, "the operator has fixed it, and the provider retries"


def test_secrets_and_prompts_are_not_logged(
    generation_id: str, capsys: pytest.CaptureFixture[str], call: Call
) -> None:
    call(body_of(generation_id))
    call(body_of(generation_id), **{"webhook-signature": "v1,forgedsignature"})
    logged = capsys.readouterr().out
    assert "forgedsignature" not in logged
    assert SECRET not in logged

"""Webhooks of all providers, from the front door to the database and SNS."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, cast

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from chalicelib.errors import NotRecorded
from chalicelib.recording import relay
from chalicelib.recording.callback import Callback
from chalicelib.recording.database import Database
from chalicelib.recording.publishing import Publisher
from chalicelib.recording.recorder import Recorder
from tests.builders import Context
from tests.fakes.functions import FakeFunction
from tests.integration.recording.test_callback import FakeSns
from tests.unit.providers import samples
from tests.unit.recording.door import door, event, secret, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.aws.lambda_events import HttpEvent

pytestmark = pytest.mark.integration

PROVIDERS = sorted(samples.SIGNING_KEYS)
LEONARDO = {
    "type": "image_generation.complete",
    "data": {"object": {"id": "l1", "status": "COMPLETE", "images": [{"url": "https://x/1.png"}]}},
}


class World:
    """The function `callback` with a database, and a connection of the integrator's."""

    def __init__(self, dsn: str, admin: Any) -> None:
        self.admin = admin
        self.sns = FakeSns()
        self.publisher = Publisher(cast("Any", self.sns), "generation-complete", "errors")
        self.database = Database(lambda: dsn, sleep=lambda seconds: None)
        recorder = Recorder("test", self.database, self.publisher)
        self.reconcile = FakeFunction()
        self.callback = Callback(door(secret(*PROVIDERS)), recorder, cast("Any", self.reconcile))

    def insert(self, generation_id: str = samples.GENERATION, **columns: str) -> None:
        """Insert a PENDING row, as the integrator does."""
        row = {"id": generation_id, "user_id": "alice", "prompt": "p", **columns}
        names = ", ".join(row)
        self.admin.execute(
            f"INSERT INTO herald.generations ({names}) VALUES %s",
            (tuple(row.values()),),
        )

    def send(self, found: HttpEvent) -> tuple[int, dict[str, Any]]:
        answer = self.callback.handle(found, Context(14))
        return answer["statusCode"], json.loads(answer["body"])

    def rows(self, table: str = "generations") -> list[dict[str, Any]]:
        self.admin.execute(f"SELECT * FROM herald.{table}")
        return list(self.admin.fetchall())

    def match(self) -> int:
        return relay.match(
            self.database, self.publisher, stage="test", deadline=time.monotonic() + 30
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message["Message"]) for message in self.sns.events]


@pytest.fixture
def world(reached: str, fresh_database: str) -> Iterator[World]:
    connection = psycopg2.connect(fresh_database, cursor_factory=RealDictCursor)
    connection.autocommit = True
    with connection.cursor() as admin:
        found = World(reached, admin)
        yield found
        found.database.close()
    connection.close()


def body_of(provider: str, kind: str = "success") -> bytes:
    wanted = (provider, kind)
    found = next(f.body for f in samples.FIXTURES if (f.provider, f.event) == wanted)
    return json.dumps(found).encode()


def replicate(status: str = "succeeded", **fields: object) -> bytes:
    return json.dumps(
        {"id": "r1", "status": status, "output": ["https://x/1.png"], "error": None, **fields}
    ).encode()


def account_level(found: Any) -> HttpEvent:
    """The same webhook without the generation in its path."""
    path = {"provider": found["pathParameters"]["provider"]}
    return cast("HttpEvent", {**found, "pathParameters": path})


@pytest.mark.parametrize(
    "provider", [name for name in PROVIDERS if name not in ("gemini", "generations", "openai")]
)
def test_a_result_of_each_provider_is_recorded_once(provider: str, world: World) -> None:
    world.insert()
    found = signed(provider, body_of(provider))
    assert world.send(found)[1]["outcome"] == "recorded"
    assert world.send(found)[1]["outcome"] in ("duplicate", "unchanged")
    [row] = world.rows()
    assert (row["status"], row["provider"]) == ("COMPLETE", provider)
    assert row["outputs"]
    [published] = world.events()
    assert published["data"]["outputs"] == row["outputs"]


def test_a_row_takes_reports_only_from_its_provider_and_from_the_own_generator(
    world: World,
) -> None:
    world.insert(provider="fal")
    assert world.send(signed("replicate", replicate()))[0] == 404
    assert world.send(signed("replicate", replicate("processing")))[0] == 404
    assert world.rows()[0]["status"] == "PENDING"
    body = {"generationId": samples.GENERATION, "status": "COMPLETE", "imageUrl": "https://x/1"}
    assert world.send(signed("generations", json.dumps(body).encode()))[0] == 200
    assert (world.rows()[0]["status"], world.rows()[0]["provider"]) == ("COMPLETE", "fal")


def test_an_unknown_generation_in_the_path_is_404_and_nothing_is_kept(world: World) -> None:
    status, answer = world.send(signed("replicate", replicate()))
    assert (status, answer["error"]) == (404, "not_found")
    wrong = world.send(event(replicate(), {}, {"provider": "unknown"}))
    assert wrong == (status, answer)
    assert world.rows("unmatched_reports") == world.rows("webhook_receipts") == []


def test_progress_names_the_provider_and_late_progress_changes_nothing(world: World) -> None:
    world.insert()
    assert world.send(signed("replicate", replicate("processing")))[1]["outcome"] == "progress"
    [row] = world.rows()
    assert (row["provider"], row["provider_id"], row["status"]) == ("replicate", "r1", "PENDING")
    result = signed("replicate", replicate(), delivery_id="delivery-2")
    assert world.send(result)[1]["outcome"] == "recorded"
    late = signed("replicate", replicate("processing"), delivery_id="delivery-3")
    assert world.send(late)[1]["outcome"] == "late"
    assert [found["type"].rpartition(".")[2] for found in world.events()] == [
        "progress",
        "complete",
    ]


def test_a_provider_id_that_another_row_has_does_not_cost_the_result(world: World) -> None:
    world.insert(str(uuid.uuid4()), provider="replicate", provider_id="r1")
    world.insert()
    assert world.send(signed("replicate", replicate()))[1]["outcome"] == "recorded"
    ids = {str(row["id"]): row["provider_id"] for row in world.rows()}
    assert ids[samples.GENERATION] is None


def test_an_account_level_webhook_finds_its_row_by_the_providers_id(world: World) -> None:
    world.insert(provider="leonardo", provider_id="l1")
    found = account_level(signed("leonardo", json.dumps(LEONARDO).encode()))
    assert world.send(found)[1] == {
        "generationId": samples.GENERATION,
        "outcome": "recorded",
        "eventId": world.events()[0]["id"],
    }


def test_a_result_that_comes_before_its_row_is_recorded_when_the_row_appears(
    world: World,
) -> None:
    found = account_level(signed("leonardo", json.dumps(LEONARDO).encode()))
    for _ in range(2):
        assert world.send(found) == (200, {"outcome": "unmatched"})
    [kept] = world.rows("unmatched_reports")
    assert (kept["provider"], kept["provider_id"]) == ("leonardo", "l1")
    world.insert(provider="replicate", provider_id="l1")
    assert world.match() == 0
    world.admin.execute("UPDATE herald.generations SET provider = 'leonardo'")
    assert world.match() == 1
    assert world.rows("unmatched_reports") == []
    [published] = world.events()
    assert (published["type"], published["subject"]) == (
        "herald.generation.complete",
        samples.GENERATION,
    )
    assert world.rows("outbox")[0]["published_at"] is not None
    assert world.match() == 0


def test_a_matched_result_that_sns_refuses_stays_in_the_outbox(world: World) -> None:
    world.send(account_level(signed("leonardo", json.dumps(LEONARDO).encode())))
    world.insert(provider="leonardo", provider_id="l1")
    world.sns.refusals = 1
    assert world.match() == 1
    assert world.rows("outbox")[0]["published_at"] is None


def test_a_result_with_heralds_id_is_matched_by_it(world: World) -> None:
    task = {"id": "t1", "status": "done", "outputs": ["https://x/1.png"]}
    body = json.dumps({**task, "generation": samples.GENERATION}).encode()
    assert world.send(account_level(signed("hmac", body)))[1]["outcome"] == "unmatched"
    world.insert()
    assert world.match() == 1
    assert world.rows()[0]["provider_id"] == "t1"


def test_a_result_without_a_row_is_deleted_after_a_day(world: World) -> None:
    world.send(account_level(signed("leonardo", json.dumps(LEONARDO).encode())))
    deadline = time.monotonic() + 30
    assert relay.purge(world.database, 7, print, deadline=deadline) == 0
    world.admin.execute(
        "UPDATE herald.unmatched_reports SET received_at = now() - interval '25 hours'"
    )
    assert relay.purge(world.database, 7, print, deadline=deadline) == 1


def test_progress_without_a_row_is_not_kept(world: World) -> None:
    found = account_level(signed("replicate", replicate("processing")))
    assert world.send(found) == (200, {"outcome": "unmatched"})
    assert world.rows("unmatched_reports") == []


def test_what_is_not_understood_is_accepted_and_changes_nothing(world: World) -> None:
    world.insert()
    assert world.send(signed("replicate", replicate("paused"))) == (200, {"outcome": "ignored"})
    assert world.send(signed("replicate", b"[]"))[0] == 422
    assert world.rows()[0]["status"] == "PENDING"


def test_a_report_without_any_id_is_ignored_and_counted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"status": "completed", "outputs": ["https://x/1.png"]}).encode()
    assert world.send(account_level(signed("wavespeed", body))) == (200, {"outcome": "ignored"})
    assert '"ReportsIgnored":1' in capsys.readouterr().out


def test_an_event_of_sns_is_a_report_of_sagemaker(world: World) -> None:
    world.insert()
    message = {
        "invocationStatus": "Completed",
        "inferenceId": samples.GENERATION,
        "awsRegion": "eu-west-1",
        "responseParameters": {"outputLocation": "s3://bucket/1.png", "contentType": "image/png"},
    }
    found = {"Records": [{"Sns": {"Message": json.dumps(message)}}]}
    assert world.callback.handle(found, Context(14))["statusCode"] == 200
    [row] = world.rows()
    assert (row["status"], row["provider"]) == ("COMPLETE", "sagemaker")


def test_an_event_of_sns_that_is_not_recorded_is_an_error_so_that_lambda_tries_again(
    world: World,
) -> None:
    world.insert()
    world.admin.execute("ALTER TABLE herald.streams RENAME TO elsewhere")
    message = {"invocationStatus": "Failed", "inferenceId": samples.GENERATION}
    with pytest.raises(NotRecorded):
        world.callback.handle({"Records": [{"Sns": {"Message": json.dumps(message)}}]}, Context(14))

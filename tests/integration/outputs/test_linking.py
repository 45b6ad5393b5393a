"""Results are recorded and published with stable links; a link never costs a result."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from chalicelib.providers.report import Kind, Output, result
from chalicelib.recording import relay
from chalicelib.recording.database import Database
from chalicelib.recording.generations import Outcome, Source
from chalicelib.recording.linking import Linking
from chalicelib.recording.publishing import Publisher
from chalicelib.recording.recorder import Recorder
from chalicelib.store.output_hosts import OutputHosts
from tests.integration.outputs.conftest import BASE
from tests.integration.outputs.test_keep import PICTURE, metrics_of
from tests.integration.recording.test_callback import FakeSns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.outputs.conftest import World

pytestmark = pytest.mark.integration

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
REPLICATE = "https://replicate.delivery/xezq/out-{}.webp"
FOREIGN = "https://images.example/1.png"


class Recording:
    """A recorder that makes links, with a database and a fake of SNS."""

    def __init__(self, world: World, dsn: str, admin: Any) -> None:
        self.admin = admin
        self.sns = FakeSns()
        publisher = Publisher(cast("Any", self.sns), "generation-complete", "errors")
        self.database = Database(lambda: dsn, sleep=lambda seconds: None)
        hosts = OutputHosts(world.links, world.environ["HERALD_FETCH_HOSTS"])
        self.linking = Linking(world.links, world.outputs, hosts)
        self.recorder = Recorder("test", self.database, publisher, self.linking)
        self._publisher = publisher

    def insert(self, **columns: str) -> None:
        row = {"id": GENERATION, "user_id": "alice", "prompt": "p", **columns}
        names = ", ".join(row)
        self.admin.execute(
            f"INSERT INTO herald.generations ({names}) VALUES %s", (tuple(row.values()),)
        )

    def record(self, *outputs: Output, source: Source | None = None) -> Outcome:
        return self.recorder.record(
            result("p1", outputs),
            source or Source("replicate", GENERATION, "p1"),
            deadline=time.monotonic() + 14,
            may_wait=True,
        ).outcome

    def match(self) -> int:
        return relay.match(
            self.database,
            self._publisher,
            stage="test",
            deadline=time.monotonic() + 30,
            linking=self.linking,
        )

    def data(self) -> dict[str, Any]:
        """The data of the only event."""
        [message] = self.sns.events
        found: dict[str, Any] = json.loads(message["Message"])["data"]
        return found

    def row(self) -> dict[str, Any]:
        self.admin.execute("SELECT * FROM herald.generations")
        return dict(self.admin.fetchone())


@pytest.fixture
def recording(world: World, fresh_database: str) -> Iterator[Recording]:
    connection = psycopg2.connect(fresh_database, cursor_factory=RealDictCursor)
    connection.autocommit = True
    with connection.cursor() as admin:
        found = Recording(world, fresh_database, admin)
        yield found
        found.database.close()
    connection.close()


def picture(url: str, expires_at: str | None = None) -> Output:
    return Output(url, Kind.IMAGE, expires_at=expires_at)


def test_the_event_and_the_row_have_links_and_the_table_the_sources(
    recording: Recording, world: World
) -> None:
    recording.insert()
    expires = "2030-01-01T00:00:00Z"
    outputs = [picture(REPLICATE.format(n), expires) for n in range(2)]
    assert recording.record(*outputs) is Outcome.RECORDED
    data = recording.data()
    links = [world.links.url(GENERATION, n) for n in range(2)]
    assert links[0].startswith(f"{BASE}/{GENERATION}/0/")
    assert [output["url"] for output in data["outputs"]] == links
    assert data["imageUrl"] == links[0] == recording.row()["image_url"]
    lifetime = time.mktime(time.strptime(data["outputs"][0]["expiresAt"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(lifetime - time.mktime(time.gmtime()) - 30 * 86_400) < 3700
    kept = world.outputs.read(GENERATION)
    assert kept is not None
    assert kept.provider == "replicate"
    assert [kept.sources[n].url for n in range(2)] == [REPLICATE.format(n) for n in range(2)]
    assert kept.sources[0].expires_at == 1_893_456_000


def test_a_result_costs_one_request_to_dynamodb_and_one_without_outputs_none(
    recording: Recording, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.insert()
    service, called = world.outputs._dynamodb, list[str]()
    call = service.call

    def noted(operation: str, *rest: Any) -> Any:
        called.append(operation)
        return call(operation, *rest)

    monkeypatch.setattr(service, "call", noted)
    failed = result("p1", ())
    recording.recorder.record(
        failed, Source("replicate", None, "x"), deadline=time.monotonic() + 9, may_wait=False
    )
    assert called == []
    recording.record(*(picture(REPLICATE.format(n)) for n in range(100)))
    assert called == ["PutItem"]


def test_an_output_of_another_host_is_passed_on_and_counted(
    recording: Recording, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.insert()
    recording.record(picture(FOREIGN), picture(REPLICATE.format(1)))
    data = recording.data()
    assert data["imageUrl"] == FOREIGN
    assert data["outputs"][1]["url"] == world.links.url(GENERATION, 1)
    kept = world.outputs.read(GENERATION)
    assert kept is not None
    assert set(kept.sources) == {1}
    assert metrics_of(capsys.readouterr().out)["OutputsPassedOn"] == 1


@pytest.mark.parametrize("lost", ["table", "secret"])
def test_a_result_is_recorded_even_if_its_links_cannot_be_made(
    recording: Recording, world: World, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    recording.insert()
    if lost == "table":
        world.dynamodb.delete_table(TableName="outputs")
    else:
        world.links._secret = lambda: ""
    assert recording.record(picture(REPLICATE.format(0))) is Outcome.RECORDED
    assert recording.data()["imageUrl"] == REPLICATE.format(0)
    said = capsys.readouterr().out
    assert metrics_of(said)["OutputsPassedOn"] == 1
    assert "outputs not linked" in said
    assert "replicate.delivery" not in said


def test_a_webhook_without_the_generations_id_gets_links(
    recording: Recording, world: World
) -> None:
    recording.insert(provider="leonardo", provider_id="p1")
    url = "https://cdn.leonardo.ai/a.jpg"
    recording.record(picture(url), source=Source("leonardo", None, "p1"))
    assert recording.data()["imageUrl"] == world.links.url(GENERATION, 0)


def test_a_result_that_waited_for_its_generation_gets_links(
    recording: Recording, world: World
) -> None:
    url = "https://cdn.leonardo.ai/a.jpg"
    waiting = recording.record(picture(url), source=Source("leonardo", None, "p1"))
    assert waiting is Outcome.UNMATCHED
    assert world.outputs.read(GENERATION) is None
    recording.insert(provider="leonardo", provider_id="p1")
    assert recording.match() == 1
    assert recording.data()["imageUrl"] == world.links.url(GENERATION, 0)
    kept = world.outputs.read(GENERATION)
    assert kept is not None
    assert kept.sources[0].url == url


def test_a_result_that_has_links_already_is_not_linked_again(
    recording: Recording, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The id in the webhook named a generation that was not in the database yet."""
    source = Source("leonardo", GENERATION, "p1")
    assert recording.record(picture(REPLICATE.format(0)), source=source) is Outcome.UNMATCHED
    url = "https://cdn.leonardo.ai/a.jpg"
    source = Source("leonardo", GENERATION, "p2")
    recording.admin.execute("DELETE FROM herald.unmatched_reports")
    assert recording.record(picture(url), source=source) is Outcome.UNMATCHED
    capsys.readouterr()
    recording.insert()
    assert recording.match() == 1
    assert recording.data()["imageUrl"] == world.links.url(GENERATION, 0)
    assert "OutputsPassedOn" not in capsys.readouterr().out


def test_a_result_is_copied_after_its_event(recording: Recording, world: World) -> None:
    recording.insert()
    url = world.source.put("/a.png", PICTURE)
    recording.record(picture(url))
    assert world.source.asked == []
    assert world.keep(GENERATION)
    assert world.loaded(GENERATION)[0] == PICTURE

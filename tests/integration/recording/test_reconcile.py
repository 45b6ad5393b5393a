"""`reconcile` with a real PostgreSQL and, over HTTP, stand-ins of the providers' APIs."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

from chalicelib.aws import reconcile_events
from chalicelib.engine.engine import Engine
from chalicelib.errors import DatabaseUnavailable, ServiceError
from chalicelib.providers import registry
from chalicelib.providers.report import Kind, Output
from chalicelib.recording.callback import Callback
from chalicelib.recording.database import Database
from chalicelib.recording.ending import Ending
from chalicelib.recording.lookups import Lookups
from chalicelib.recording.provider_apis import ProviderApis
from chalicelib.recording.publishing import Publisher
from chalicelib.recording.reconcile import Reconcile
from chalicelib.recording.recorder import Recorder
from tests.builders import Context
from tests.fakes import provider_apis
from tests.fakes.functions import FakeFunction
from tests.fakes.provider_apis import KEY, MODELS, PNG, Refusal
from tests.fakes.provider_apis import ProviderApis as StandIns
from tests.integration.recording.test_callback import FakeSns
from tests.unit.providers import samples
from tests.unit.recording.door import door, entry, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.providers.report import File
    from chalicelib.recording.watching import Due
    from local.postgres import Postgres

pytestmark = pytest.mark.integration

POLLED = sorted(provider_apis.ROUTES)
BYTES = {"openai", "gemini", "stability"}  # their results have no URL
SCHEDULE = {"detail-type": "Scheduled Event", "detail": {}}


class Bucket:
    """Keeps files; `fails` makes it fail, and `refuses` makes it give up a file."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, int, bytes | None]] = []
        self.fails = self.refuses = False

    def keep(self, row: Due, number: int, file: File, *, deadline: float) -> Output | None:
        if self.fails:
            raise ServiceError("s3", 503, "SlowDown")
        if self.refuses:
            return None
        self.kept.append((row.id, number, file.content))
        return Output(f"https://herald.example/outputs/{row.id}/{number}/s", Kind.IMAGE)


class World:
    """The function with its collaborators, and a connection of the integrator's."""

    def __init__(self, dsn: str, admin: Any, apis: StandIns) -> None:
        self.dsn = dsn
        self.admin = admin
        self.apis = apis
        self.sns = FakeSns()
        self.bucket: Bucket | None = None
        self.engine = Engine()
        self.databases: list[Database] = []
        self.slept: list[float] = []
        self.entries: dict[str, dict[str, Any]] = {
            name: {"api_key": f"access:{KEY}" if name == "kling" else KEY} for name in POLLED
        }
        self.entries["kling"]["api_key"] = KEY

    def database(self) -> Database:
        self.databases.append(Database(lambda: self.dsn, sleep=lambda seconds: None))
        return self.databases[-1]

    def reconcile(self, deadline_seconds: int = 3600, engine: Engine | None = None) -> Reconcile:
        database = self.database()
        publisher = Publisher(cast("Any", self.sns), "generation-complete", "errors")
        recorder = Recorder("test", database, publisher)
        apis = ProviderApis(
            engine or self.engine, lambda: json.dumps(self.entries), self.apis.addresses
        )
        return Reconcile(
            database,
            Ending("test", database, publisher),
            apis,
            Lookups(database, recorder, apis, self.bucket),
            deadline_seconds,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        """Note a wait. Meanwhile, all look-ups move into the future, so that the run ends."""
        self.slept.append(seconds)
        self.admin.execute(
            "UPDATE herald.generations SET next_check_at = now() + interval '1 hour'"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        return dict(self.reconcile(**options).handle(SCHEDULE, Context(57)))

    def insert(
        self, provider: str | None, provider_id: str | None = "job-1", **columns: Any
    ) -> str:
        """Insert a PENDING row, as the integrator does, a quarter of an hour ago."""
        row = {
            "id": str(uuid.uuid4()),
            "user_id": "alice",
            "prompt": "p",
            "provider": provider,
            "provider_id": provider_id,
            "core_model": MODELS.get(provider or ""),
            "created_at": datetime.now(UTC) - timedelta(minutes=14),
            **columns,
        }
        names = ", ".join(row)
        self.admin.execute(
            f"INSERT INTO herald.generations ({names}) VALUES %s", (tuple(row.values()),)
        )
        return str(row["id"])

    def due(self) -> None:
        """Let time pass, so that every row is due again and no provider is paused."""
        self.admin.execute(
            "UPDATE herald.generations SET next_check_at = now() - interval '1 second'"
            " WHERE next_check_at IS NOT NULL"
        )
        self.admin.execute(
            "UPDATE herald.polling SET paused_until = '-infinity', minute = '-infinity'"
        )

    def late(self, generation_id: str) -> None:
        """Let the deadline of a row pass."""
        self.admin.execute(
            "UPDATE herald.generations SET deadline_at = now() - interval '1 second' WHERE id = %s",
            (generation_id,),
        )

    def row(self, generation_id: str) -> dict[str, Any]:
        self.admin.execute("SELECT * FROM herald.generations WHERE id = %s", (generation_id,))
        return dict(self.admin.fetchone())

    def events(self) -> list[dict[str, Any]]:
        found = [json.loads(message["Message"]) for message in self.sns.events]
        return [each for each in found if "sequence" in each]  # results, not progress

    def webhook(
        self, name: str, body: bytes, path: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        publisher = Publisher(cast("Any", self.sns), "generation-complete", "errors")
        self.function = FakeFunction()
        callback = Callback(
            door(json.dumps({name: entry(name)})),
            Recorder("test", self.database(), publisher),
            cast("Any", self.function),
        )
        delivery = signed(name, body)
        if path:
            delivery["pathParameters"] = path
        answer = callback.handle(delivery, Context(14))
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[StandIns]:
    yield from provider_apis.serving()


@pytest.fixture(scope="module")
def own_database(postgres: Postgres) -> Iterator[str]:
    """A database for this module; each test empties it."""
    name = f"reconcile_{uuid.uuid4().hex}"
    admin = psycopg2.connect(postgres.dsn("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE herald")
        yield postgres.dsn(name)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture
def world(
    own_database: str, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # the engine reads them
        monkeypatch.setenv(name, "test")
    stand_ins.jobs.clear()
    stand_ins.refusals.clear()
    stand_ins.fixed.clear()
    stand_ins.asked.clear()
    stand_ins.canceled.clear()
    connection = psycopg2.connect(own_database, cursor_factory=RealDictCursor)
    connection.autocommit = True
    with connection.cursor() as admin:
        admin.execute(
            "TRUNCATE herald.generations, herald.streams, herald.outbox, herald.polling,"
            " herald.webhook_receipts, herald.unmatched_reports"
        )
        found = World(own_database, admin, stand_ins)
        yield found
        for database in found.databases:
            database.close()
        found.engine.close()
    connection.close()


# --- results ---


@pytest.mark.parametrize("provider", POLLED)
def test_a_generation_whose_webhook_never_came_is_delivered_once(
    world: World, provider: str
) -> None:
    world.bucket = Bucket()
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "running")
    assert world.run()["recorded"] == 0
    assert world.row(generation_id)["status"] == "PENDING"
    world.apis.put(provider, "job-1", "succeeded")
    world.due()
    assert world.run()["recorded"] == 1
    world.due()
    assert world.run()["recorded"] == 0
    [found] = world.events()
    assert (found["subject"], found["userid"]) == (generation_id, "alice")
    assert (found["type"], found["sequence"]) == ("herald.generation.complete", "1")
    [output] = found["data"]["outputs"]
    kept = output["url"].startswith("https://herald.example/outputs/")
    assert kept == (provider in BYTES)
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_every_provider_that_can_be_asked_has_a_stand_in() -> None:
    adapters = {name: registry.adapter(name) for name in registry.NAMES}
    assert {name for name, found in adapters.items() if found and found.polling} == set(POLLED)


def test_bytes_are_stored_before_the_event(world: World) -> None:
    world.bucket = Bucket()
    generation_id = world.insert("openai", "resp_1")
    world.apis.put("openai", "resp_1", "succeeded")
    world.bucket.fails = True
    assert world.run()["recorded"] == 0  # nothing is lost: the schedule tries again
    assert (world.row(generation_id)["status"], world.events()) == ("PENDING", [])
    world.bucket.fails = False
    world.due()
    assert world.run()["recorded"] == 1
    assert world.bucket.kept == [(generation_id, 0, PNG)]
    assert world.events()[0]["data"]["imageUrl"].startswith("https://herald.example/outputs/")


@pytest.mark.parametrize("provider", sorted(BYTES))
@pytest.mark.parametrize("given_up", [False, True], ids=["kept nowhere", "cannot be kept"])
def test_an_event_says_that_a_file_has_no_url(world: World, provider: str, given_up: bool) -> None:
    if given_up:
        world.bucket = Bucket()
        world.bucket.refuses = True
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "succeeded")
    assert world.run()["recorded"] == 1
    [found] = world.events()
    assert (found["data"]["status"], found["data"]["imageUrl"]) == ("COMPLETE", None)
    assert (found["data"]["outputsNotKept"], found["subject"]) == (1, generation_id)


def test_progress_of_a_look_up_is_published(world: World) -> None:
    generation_id = world.insert("runway")
    world.apis.put("runway", "job-1", "running")
    world.run()
    [message] = world.sns.events
    found = json.loads(message["Message"])
    assert (found["subject"], found["data"]["progress"]) == (generation_id, 0.5)


def test_all_requests_of_a_batch_are_answered_by_one_look_up(world: World) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    world.bucket = Bucket()
    for generation_id in (first, second):
        world.insert("openai", f"batch_5/{generation_id}", id=generation_id)
    line = {"custom_id": first, "response": {"body": {"data": [{"b64_json": "aGVsbG8="}]}}}
    batch = {"id": "batch_5", "status": "completed", "output_file_id": "f1"}
    world.apis.fixed["openai", "/v1/batches/batch_5"] = batch
    world.apis.fixed["openai", "/v1/files/f1/content"] = line
    assert world.run()["recorded"] == 2
    assert len(world.apis.asked) == 2  # the batch and its file
    found = {each["subject"]: each["data"] for each in world.events()}
    assert found[first]["status"] == "COMPLETE"
    assert found[second]["error"]["code"] == "incomplete"


# --- the pace ---


def test_new_rows_of_a_provider_get_a_deadline_and_others_do_not(world: World) -> None:
    default, own = world.insert("replicate"), world.insert("replicate", "job-2")
    world.admin.execute(
        "UPDATE herald.generations SET deadline_at = 'infinity' WHERE id = %s", (own,)
    )
    batch, without = world.insert("openai", "batch_1/x"), world.insert(None, None)
    world.run()
    world.admin.execute(
        "SELECT id::text, extract(epoch FROM nullif(deadline_at, 'infinity') - created_at)::float"
        " AS seconds, deadline_at = 'infinity' AS endless FROM herald.generations"
    )
    found = {row["id"]: (row["seconds"], row["endless"]) for row in world.admin.fetchall()}
    assert found[default] == (3600, False)
    assert found[own][1] is True
    assert found[batch] == (25 * 3600, False)
    assert found[without] == (None, None)


def test_a_row_that_becomes_part_of_a_batch_later_gets_its_deadline(world: World) -> None:
    generation_id = world.insert("openai", None)
    world.run()
    world.admin.execute(
        "UPDATE herald.generations SET provider_id = 'batch_9/x' WHERE id = %s", (generation_id,)
    )
    world.run()
    world.run()
    world.admin.execute("SELECT deadline_at - created_at AS time FROM herald.generations")
    assert world.admin.fetchone()["time"].total_seconds() == 25 * 3600


def test_without_a_deadline_no_generation_times_out(world: World) -> None:
    generation_id = world.insert("replicate")
    assert world.run(deadline_seconds=0)["adopted"] == 1
    assert world.row(generation_id)["deadline_at"] is None


def test_rows_of_an_earlier_version_are_not_touched(world: World) -> None:
    generation_id = world.insert("replicate")
    world.admin.execute("UPDATE herald.generations SET checks = NULL")  # as after the migration
    world.apis.put("replicate", "job-1", "succeeded")
    assert world.run()["adopted"] == 0
    row = world.row(generation_id)
    assert (row["status"], row["deadline_at"]) == ("PENDING", None)


def test_a_webhook_has_time_to_arrive_before_the_first_look_up(world: World) -> None:
    generation_id = world.insert("replicate")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    assert world.apis.asked == []
    wait = world.row(generation_id)["next_check_at"] - world.row(generation_id)["created_at"]
    assert wait.total_seconds() == 120


def test_pauses_grow_and_end_at_the_deadline(world: World) -> None:
    generation_id = world.insert("replicate")
    world.apis.put("replicate", "job-1", "running")
    pauses = []
    for _ in range(6):
        world.run()
        world.admin.execute(
            "SELECT extract(epoch FROM next_check_at - now())::float AS seconds, next_check_at <="
            " deadline_at AS in_time FROM herald.generations"
        )
        row = world.admin.fetchone()
        pauses.append(round(row["seconds"], -1))
        assert row["in_time"]
        world.due()
    assert pauses == [120, 180, 270, 400, 600, 600]
    assert world.row(generation_id)["checks"] == 6


def test_a_provider_is_asked_at_most_as_often_as_its_limit_says(world: World) -> None:
    world.entries["replicate"]["options"] = {"polls_per_minute": 3}
    for number in range(5):
        world.insert("replicate", f"job-{number}")
    assert world.run()["looked_up"] == 3
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() - interval '1 s'")
    assert world.run()["looked_up"] == 0  # within the same minute
    world.due()
    assert world.run()["looked_up"] == 3


@pytest.mark.parametrize(("status", "seconds"), [(429, 300), (503, 300)])
def test_retry_after_is_honoured_for_the_whole_provider(
    world: World, status: int, seconds: int
) -> None:
    ids = [world.insert("replicate", f"job-{number}") for number in range(3)]
    other = world.insert("runway")
    world.apis.put("runway", "job-1", "succeeded")
    world.apis.refusals["replicate"] = Refusal(status, seconds)
    assert world.run()["looked_up"] == 2  # one of replicate, and runway's
    assert world.row(other)["status"] == "COMPLETE"
    world.apis.refusals.clear()
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() - interval '1 s'")
    assert world.run()["looked_up"] == 0
    world.admin.execute(
        "SELECT extract(epoch FROM paused_until - now())::float AS left FROM herald.polling"
        " WHERE provider = 'replicate'"
    )
    assert 290 < world.admin.fetchone()["left"] <= 300
    for number in range(3):
        world.apis.put("replicate", f"job-{number}", "succeeded")
    world.due()
    assert world.run()["recorded"] == 3
    assert {found["subject"] for found in world.events()} == {*ids, other}


def test_a_key_that_is_refused_pauses_its_provider(world: World) -> None:
    world.entries["replicate"]["api_key"] = "another-key"
    world.insert("replicate")
    world.insert("replicate", "job-2")
    assert world.run()["looked_up"] == 1
    assert len(world.apis.asked) == 1


def test_an_unknown_id_does_not_stop_the_others(world: World) -> None:
    lost, found = world.insert("replicate", "nobody"), world.insert("replicate", "job-2")
    world.apis.put("replicate", "job-2", "succeeded")
    assert world.run()["recorded"] == 1
    assert world.row(lost)["status"] == "PENDING"
    assert world.row(found)["status"] == "COMPLETE"


def test_without_a_key_a_row_is_only_watched(world: World) -> None:
    del world.entries["replicate"]
    generation_id = world.insert("replicate")
    assert world.run()["looked_up"] == 0
    world.late(generation_id)
    assert world.run()["timed_out"] == 1


def test_without_a_route_to_a_provider_deadlines_hold_and_the_log_names_nat(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(world.apis, "url", f"http://127.0.0.1:{unused.getsockname()[1]}")
        late, _ = world.insert("replicate"), world.insert("replicate", "job-2")
        world.run()
        world.late(late)
        world.due()
        capsys.readouterr()
        done = world.run()
    assert (done["timed_out"], done["looked_up"], done["recorded"]) == (1, 1, 0)
    assert "in a VPC, look-ups need NAT" in capsys.readouterr().out


@pytest.mark.parametrize("entries", ["not json", '{"replicate": []}', '{"x": {"api_key": "a b"}}'])
def test_deadlines_hold_with_a_malformed_secret(world: World, entries: str) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    function = world.reconcile()
    function._apis._secret = lambda: entries
    assert function.handle(SCHEDULE, Context(57))["timed_out"] == 1


def test_a_run_waits_only_for_providers_without_webhooks(world: World) -> None:
    world.insert("replicate")
    world.apis.put("replicate", "job-1", "running")
    world.run()
    assert world.slept == []
    world.insert("runway", "job-2")
    world.apis.put("runway", "job-2", "running")
    world.due()
    world.run()
    assert world.slept, "the next look-up of Runway is due in ten seconds"
    assert 9 < world.slept[0] <= 10


def test_a_run_ends_in_time(world: World) -> None:
    for number in range(30):
        world.insert("replicate", f"job-{number}")
    assert world.reconcile().handle(SCHEDULE, Context(14))["looked_up"] == 0


def test_two_runs_at_once_do_no_harm(world: World) -> None:
    for number in range(30):
        world.insert("replicate", f"job-{number}")
        world.apis.put("replicate", f"job-{number}", "succeeded")
    late = [world.insert(None, None) for _ in range(6)]
    for generation_id in late:
        world.late(generation_id)
    engines = [Engine(), Engine()]
    runs = [threading.Thread(target=world.run, kwargs={"engine": engine}) for engine in engines]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    for engine in engines:
        engine.close()
    world.due()
    world.run()  # rows that both had skipped
    found = world.events()
    assert len({each["subject"] for each in found}) == len(found) == 36
    assert sorted(int(each["sequence"]) for each in found) == list(range(1, 37))
    assert len(world.apis.asked) == 30, "each row is looked up once"


def test_a_database_that_fails_stops_the_run(world: World) -> None:
    function = world.reconcile()
    world.dsn = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(DatabaseUnavailable):
        function.handle(SCHEDULE, Context(20))


# --- deadlines ---


def test_a_generation_past_its_deadline_ends_and_its_owner_is_notified(world: World) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    assert world.run()["timed_out"] == 1
    [found] = world.events()
    assert (found["userid"], found["type"]) == ("alice", "herald.generation.error")
    assert found["data"]["error"]["code"] == "timeout"
    assert world.run()["timed_out"] == 0


@pytest.mark.parametrize("again", [True, False])
def test_a_result_after_herald_s_own_timeout_supersedes_it_once(world: World, again: bool) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    world.run()
    body = {"id": "job-1", "status": "succeeded", "output": ["https://x/1.png"], "error": None}
    text = json.dumps(body).encode()
    path = {"provider": "replicate", "generation": generation_id}
    assert world.webhook("replicate", text, path)[1]["outcome"] == "recorded"
    if again:
        text = json.dumps({**body, "output": ["https://x/2.png"]}).encode()
        assert world.webhook("replicate", text, path)[1]["outcome"] in ("unchanged", "duplicate")
    first, second = world.events()
    assert (first["data"]["error"]["code"], second["data"]["status"]) == ("timeout", "COMPLETE")
    assert first["id"] != second["id"]
    assert (first["sequence"], second["sequence"]) == ("1", "2")
    assert "error" not in second["data"]
    row = world.row(generation_id)
    assert (row["version"], row["error"], row["image_url"]) == (3, None, "https://x/1.png")


def test_a_failure_of_the_provider_supersedes_a_timeout_but_no_result(world: World) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    world.run()
    path = {"provider": "replicate", "generation": generation_id}
    for status in ("failed", "succeeded"):
        body = {"id": "job-1", "status": status, "output": ["https://x/1.png"], "error": "broken"}
        world.webhook("replicate", json.dumps(body).encode(), path)
    codes = [found["data"]["error"]["code"] for found in world.events()]
    assert codes == ["timeout", "generation_failed"]


def test_a_time_out_of_the_provider_is_final(world: World) -> None:
    generation_id = world.insert("runpod", core_model="endpoint-1")
    path = {"provider": "runpod", "generation": generation_id}
    path["token"] = _token("runpod", generation_id)
    for status in ("TIMED_OUT", "COMPLETED"):
        body = {"id": "job-1", "status": status, "output": "https://x/1.png"}
        world.webhook("runpod", json.dumps(body).encode(), path)
    [found] = world.events()
    assert found["data"]["error"]["code"] == "timeout"


def _token(provider: str, generation_id: str) -> str:
    from chalicelib.providers.verifiers import capability

    return capability(samples.TOKEN_KEY, provider, generation_id)


# --- cancel ---


def cancel(world: World, generation_id: str, user: str | None = "alice") -> dict[str, Any]:
    event = json.loads(reconcile_events.cancel(generation_id, user))
    return dict(world.reconcile().handle(event, Context(12)))


@pytest.mark.parametrize("provider", ["fal", "luma", "replicate", "runpod", "runway"])
def test_a_cancellation_ends_the_generation_and_asks_the_provider(
    world: World, provider: str
) -> None:
    generation_id = world.insert(provider)
    world.apis.put(provider, "job-1", "running")
    assert cancel(world, generation_id) == {"outcome": "canceled", "atProvider": "accepted"}
    assert world.apis.canceled == [(provider, "job-1")]
    [found] = world.events()
    assert (found["data"]["error"]["code"], found["userid"]) == ("canceled", "alice")
    # the answer may be lost: the same request again is answered alike, without a second event
    assert cancel(world, generation_id)["outcome"] == "canceled"
    assert len(world.events()) == 1


def test_a_provider_that_cannot_cancel_or_fails_does_not_keep_a_generation_open(
    world: World,
) -> None:
    assert cancel(world, world.insert("bfl"))["atProvider"] == "not_possible"
    assert cancel(world, world.insert(None, None))["atProvider"] == "not_possible"
    world.apis.refusals["replicate"] = Refusal(500)
    assert cancel(world, world.insert("replicate"))["atProvider"] == "refused"
    assert [found["data"]["error"]["code"] for found in world.events()] == ["canceled"] * 3


@pytest.mark.parametrize("case", ["foreign", "unknown", "ended", "malformed"])
def test_what_cannot_be_canceled_is_refused_alike(world: World, case: str) -> None:
    generation_id = world.insert("replicate")
    if case == "ended":
        world.admin.execute("UPDATE herald.generations SET status = 'COMPLETE'")
    wanted = {"unknown": str(uuid.uuid4()), "malformed": "x"}.get(case, generation_id)
    user = "mallory" if case == "foreign" else "alice"
    assert cancel(world, wanted, user) == {"outcome": "not_cancelable"}
    assert (world.apis.canceled, world.events()) == ([], [])


def test_an_operator_may_cancel_any_generation(world: World) -> None:
    assert cancel(world, world.insert("replicate"), None)["outcome"] == "canceled"


def test_a_result_after_a_cancellation_supersedes_it_but_a_confirmation_does_not(
    world: World,
) -> None:
    generation_id = world.insert("replicate")
    cancel(world, generation_id)
    path = {"provider": "replicate", "generation": generation_id}
    outcomes = []
    for status in ("canceled", "succeeded", "succeeded"):
        body = {"id": "job-1", "status": status, "output": ["https://x/1.png"], "error": None}
        outcomes.append(world.webhook("replicate", json.dumps(body).encode(), path)[1]["outcome"])
    assert outcomes == ["unchanged", "recorded", "duplicate"]
    assert [found["data"]["status"] for found in world.events()] == ["ERROR", "COMPLETE"]


# --- thin events ---


THIN = {"id": "evt_1", "object": "event", "type": "response.completed", "data": {"id": "resp_1"}}


def test_a_thin_event_makes_its_row_due_and_is_resolved_at_once(world: World) -> None:
    world.bucket = Bucket()
    generation_id = world.insert("openai", "resp_1")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    assert world.webhook("openai", json.dumps(THIN).encode()) == (200, {"outcome": "accepted"})
    [invoked] = world.function.events
    world.apis.put("openai", "resp_1", "succeeded")
    found = world.reconcile().handle(invoked, Context(57))
    assert found == {"outcome": "resolved", "recorded": 1}
    assert [each["subject"] for each in world.events()] == [generation_id]


def test_a_thin_event_whose_look_up_fails_is_resolved_by_the_schedule(world: World) -> None:
    generation_id = world.insert("openai", "resp_1")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    world.webhook("openai", json.dumps(THIN).encode())
    world.apis.refusals["openai"] = Refusal(503)
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "unavailable"}
    world.apis.refusals.clear()
    world.apis.put("openai", "resp_1", "succeeded")
    world.due()
    assert world.run()["recorded"] == 1
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_a_thin_event_is_accepted_although_the_function_cannot_be_invoked(world: World) -> None:
    generation_id = world.insert("openai", "resp_1")
    world.run()
    before = world.row(generation_id)["next_check_at"]
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() + interval '1 hour'")
    original = FakeFunction.call

    def fails(self: FakeFunction, payload: bytes) -> dict[str, Any]:
        raise ServiceError("lambda", 500, "InternalError")

    FakeFunction.call = fails  # type: ignore[method-assign]
    try:
        assert world.webhook("openai", json.dumps(THIN).encode())[0] == 200
    finally:
        FakeFunction.call = original  # type: ignore[method-assign]
    world.admin.execute("SELECT next_check_at <= now() AS due FROM herald.generations")
    assert world.admin.fetchone()["due"], before


def test_a_thin_event_finds_its_generation_by_the_metadata(world: World) -> None:
    generation_id = world.insert("openai", None)
    world.apis.put("openai", "resp_1", "succeeded")
    status, _, body = world.apis.handle("GET", "/openai/v1/responses/resp_1", {"key": KEY})
    named = {**json.loads(body), "metadata": {"generation_id": generation_id}}
    world.apis.fixed["openai", "/v1/responses/resp_1"] = named
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert (status, world.reconcile().handle(event, Context(57))["recorded"]) == (200, 1)
    assert world.row(generation_id)["status"] == "COMPLETE"


def test_a_thin_event_of_another_application_changes_nothing(world: World) -> None:
    world.insert("openai", "resp_2")
    world.apis.put("openai", "resp_1", "succeeded")
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "resolved", "recorded": 0}
    assert world.events() == []


def test_a_thin_event_without_an_api_key_is_reported(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    del world.entries["openai"]
    event = json.loads(reconcile_events.resolve("openai", "resp_1"))
    assert world.reconcile().handle(event, Context(57)) == {"outcome": "no_key"}
    assert "there is no API key" in capsys.readouterr().out


def test_an_operation_is_found_by_the_last_part_of_its_name(world: World) -> None:
    world.bucket = Bucket()
    whole = "models/veo-3.1-generate-preview/operations/op-9f"
    generation_id = world.insert("gemini", whole)
    world.apis.put("gemini", "op-9f", "succeeded")
    event = json.loads(reconcile_events.resolve("gemini", "op-9f"))
    assert world.reconcile().handle(event, Context(57))["recorded"] == 1
    assert world.row(generation_id)["status"] == "COMPLETE"


# --- what is measured ---


def test_overdue_rows_are_counted_by_provider(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.insert("replicate")
    world.insert("bfl")
    world.run()
    world.admin.execute(
        "UPDATE herald.generations SET created_at = now() - interval '16 minutes',"
        " deadline_at = created_at + interval '1 hour' WHERE provider = 'bfl'"
    )
    capsys.readouterr()
    world.run()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {line["Provider"]: line for line in lines if "GenerationsOverdue" in line}
    assert {name: line["GenerationsOverdue"] for name, line in found.items()} == {
        "bfl": 1,
        "replicate": 0,
    }
    metric = found["bfl"]["_aws"]["CloudWatchMetrics"][0]
    assert metric["Dimensions"] == [["Stage"], ["Stage", "Provider"]]


def test_no_key_and_no_prompt_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.insert("replicate", prompt="a secret prompt")
    world.apis.refusals["replicate"] = Refusal(500)
    world.run()
    said = capsys.readouterr().out
    assert KEY not in said
    assert "a secret prompt" not in said

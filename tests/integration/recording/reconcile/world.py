"""`reconcile` with its collaborators: a real PostgreSQL and, over HTTP, stand-ins of APIs."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from chalicelib.engine.engine import Engine
from chalicelib.errors import ServiceError
from chalicelib.providers.report import Kind, Output
from chalicelib.recording.callback import Callback
from chalicelib.recording.database import Database
from chalicelib.recording.ending import Ending
from chalicelib.recording.lookups import Lookups
from chalicelib.recording.provider_apis import ProviderApis
from chalicelib.recording.publishing import Publisher
from chalicelib.recording.reconcile import Reconcile
from chalicelib.recording.recorder import Recorder
from tests.builders import SCHEDULE, Context
from tests.fakes import provider_apis
from tests.fakes.functions import FakeFunction
from tests.fakes.provider_apis import KEY, MODELS
from tests.fakes.provider_apis import ProviderApis as StandIns
from tests.integration.recording.test_callback import FakeSns
from tests.unit.recording.door import door, entry, signed

if TYPE_CHECKING:
    from chalicelib.providers.report import File
    from chalicelib.recording.watching import Due

POLLED = sorted(provider_apis.ROUTES)
BYTES = {"openai", "gemini", "stability"}  # their results have no URL


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
        self.function = FakeFunction()
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
        self.function.events.clear()
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

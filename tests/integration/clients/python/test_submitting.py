"""`submit` with a real PostgreSQL, and with a Herald that records reports."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import ForeignKey, create_engine, make_url, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool

from herald_client.server import Callbacks, reports
from herald_client.server.models import Generation
from herald_client.server.submitting import ProviderIdNotStored, Submitted, submit, submit_async
from tests.integration.clients.python.door import SECRET, Door

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(reports, "_PAUSE_SECONDS", 0.0)
    found = Door()
    yield found
    found.stop()


@pytest.fixture
def session(fresh_database: str) -> Iterator[Session]:
    engine = create_engine(make_url(fresh_database).set(drivername="postgresql+psycopg2"))
    with Session(engine) as found:
        yield found
    engine.dispose()


class Refused(Exception):
    """The provider answers 429, as httpx would say it."""

    response = type("Response", (), {"status_code": 429})()


def generation(**fields: Any) -> Generation:
    return Generation(**{"user_id": "alice", "prompt": "waves", "provider": "runpod", **fields})


def row(dsn: str, column: str) -> Any:
    """Return a column of the only generation, as another session sees it; None without a row."""
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM herald.generations")
        found = cursor.fetchone()
    connection.close()
    return found and found[0]


def test_the_row_is_committed_before_the_provider_is_called(
    session: Session, fresh_database: str, door: Door
) -> None:
    seen: list[Any] = []

    def call(url: str) -> str:
        seen.extend((url, row(fresh_database, "status"), session.in_transaction()))
        return "job-1"

    found = submit(session, generation(), door.callbacks, call)

    assert seen == [door.callbacks.callback_url("runpod", found.id), "PENDING", False]
    assert found == Submitted(found.id, "job-1")
    assert row(fresh_database, "id") == str(found.id)
    assert row(fresh_database, "provider_id") == "job-1"
    assert door.reports == []


def test_rows_of_the_application_are_committed_with_it(session: Session, door: Door) -> None:
    class Base(DeclarativeBase):
        pass

    class Post(Base):
        __tablename__ = "posts"
        id: Mapped[int] = mapped_column(primary_key=True)
        generation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Generation.id))
        generation: Mapped[Generation] = relationship(Generation)

    session.execute(
        text("CREATE TABLE posts (id serial PRIMARY KEY,"
             " generation_id uuid NOT NULL REFERENCES herald.generations)")
    )  # fmt: skip
    session.commit()
    mine = generation()
    session.add(Post(generation=mine))

    found = submit(session, mine, door.callbacks, lambda url: None)

    post = session.scalars(select(Post)).one()
    assert (post.generation.id, post.generation.status) == (found.id, "PENDING")
    assert found.provider_id is None


def test_a_refused_generation_ends_through_herald_and_the_error_is_raised(
    session: Session, fresh_database: str, door: Door
) -> None:
    door.statuses = [503, 200]

    def call(url: str) -> str:
        raise Refused

    with pytest.raises(Refused) as raised:
        submit(session, generation(), door.callbacks, call)

    said = row(fresh_database, "id")
    message = "The provider did not accept the request (HTTP status 429)."
    error = {"code": "out_of_capacity", "message": message}
    assert door.reports == [{"generationId": said, "status": "ERROR", "error": error}] * 2
    assert len(set(door.ids)) == 1, "a repeated report has the same id"
    assert raised.value.__notes__ == [
        f"Generation {said} was set to ERROR, because the provider refused it."
    ]


@pytest.mark.parametrize(("statuses", "requests"), [([404], 1), ([503] * 3, 3)])
def test_the_providers_error_is_raised_even_if_herald_does_not_accept_the_report(
    session: Session, door: Door, statuses: list[int], requests: int
) -> None:
    door.statuses = statuses

    def call(url: str) -> str:
        raise Refused

    with pytest.raises(Refused) as raised:
        submit(session, generation(), door.callbacks, call)

    assert len(door.reports) == requests
    assert "stays PENDING, because its refusal was not reported" in raised.value.__notes__[0]


def test_after_a_timeout_the_row_stays_for_the_webhook_that_may_come(
    session: Session, fresh_database: str, door: Door
) -> None:
    def call(url: str) -> str:
        raise TimeoutError

    with pytest.raises(TimeoutError) as raised:
        submit(session, generation(), door.callbacks, call)

    assert (row(fresh_database, "status"), door.reports) == ("PENDING", [])
    assert "may have started it" in raised.value.__notes__[0]


def test_an_id_that_is_already_in_the_database_calls_no_provider(
    session: Session, door: Door
) -> None:
    calls: list[str] = []

    def call(url: str) -> None:
        calls.append(url)

    chosen = uuid.uuid4()
    submit(session, generation(id=chosen), door.callbacks, call)
    session.expunge_all()
    with pytest.raises(IntegrityError):
        submit(session, generation(id=chosen), door.callbacks, call)
    assert len(calls) == 1


def test_an_id_that_a_webhook_has_stored_is_kept(
    session: Session, fresh_database: str, door: Door
) -> None:
    def call(url: str) -> str:
        connection = psycopg2.connect(fresh_database)
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE herald.generations SET provider_id = 'from the webhook'")
        connection.close()
        return "job-1"

    submit(session, generation(), door.callbacks, call)
    assert row(fresh_database, "provider_id") == "from the webhook"


def test_an_id_that_cannot_be_stored_is_reported_but_not_as_a_failed_submission(
    session: Session, door: Door
) -> None:
    submit(session, generation(), door.callbacks, lambda url: "job-1")
    with pytest.raises(ProviderIdNotStored, match="Do not submit the generation again") as raised:
        submit(session, generation(), door.callbacks, lambda url: "job-1")
    assert raised.value.provider_id == "job-1"
    assert isinstance(raised.value.__cause__, IntegrityError)


def test_a_database_connection_that_is_lost_during_the_call_costs_nothing(
    session: Session, fresh_database: str, door: Door
) -> None:
    def call(url: str) -> str:
        connection = psycopg2.connect(fresh_database)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        return "job-1"

    submit(session, generation(), door.callbacks, call)
    assert row(fresh_database, "provider_id") == "job-1"


@pytest.mark.parametrize(
    ("fields", "callbacks", "message"),
    [
        ({"provider": None}, Callbacks("https://h", {}, SECRET), "provider: must be set"),
        ({"provider": "luma"}, Callbacks("https://h", {}, SECRET), "capability_keys: luma"),
        ({}, Callbacks("https://h", {"runpod": "k"}), "webhook_secret: is needed"),
    ],
)
def test_bad_input_inserts_nothing(
    session: Session, fresh_database: str, fields: Any, callbacks: Callbacks, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        submit(session, generation(**fields), callbacks, lambda url: "job-1")
    session.commit()
    assert row(fresh_database, "count(*)") == 0


def test_a_transaction_of_the_caller_is_refused_because_submit_commits(
    session: Session, door: Door
) -> None:
    with session.begin(), pytest.raises(ValueError, match="commits, so call it outside"):
        submit(session, generation(), door.callbacks, lambda url: "job-1")


def test_the_asynchronous_form_does_the_same(fresh_database: str, door: Door) -> None:
    statuses: list[Any] = []

    async def call(url: str) -> str:
        statuses.append(row(fresh_database, "status"))
        return "job-1"

    async def refuse(url: str) -> str:
        raise Refused

    async def scenario() -> Submitted:
        url = make_url(fresh_database).set(drivername="postgresql+asyncpg")
        engine = create_async_engine(url, poolclass=NullPool)
        try:
            async with AsyncSession(engine) as session:
                found = await submit_async(session, generation(), door.callbacks, call)
                with pytest.raises(Refused):
                    await submit_async(session, generation(), door.callbacks, refuse)
                return found
        finally:
            await engine.dispose()

    found = asyncio.run(scenario())
    assert (statuses, found.provider_id) == (["PENDING"], "job-1")
    assert [report["status"] for report in door.reports] == ["ERROR"]
    assert row(fresh_database, "count(*) FILTER (WHERE provider_id = 'job-1')") == 1

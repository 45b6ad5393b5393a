"""One emulator and one database server for the rehearsal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg2
import pytest

from local import emulator, processes
from tests.rehearsal.checkout import BUCKET, Checkout
from tooling import package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from local.emulator import Emulator
    from local.postgres import Postgres
    from tests.rehearsal.checkout import Finished


@pytest.fixture(scope="package")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of the rehearsal; all processes that were started for it are stopped."""
    made = tmp_path_factory.mktemp("rehearsal")
    (made / "logs").mkdir()
    try:
        yield made
    finally:
        for stack in (made / "first", made / "second", made):
            processes.stop(stack)


@pytest.fixture(scope="package")
def aws(directory: Path) -> Emulator:
    """An emulator with S3, which contains only the bucket for Terraform's states."""
    found = emulator.start(directory, {})
    found.client("s3").create_bucket(Bucket=BUCKET)
    return found


@pytest.fixture(scope="package")
def first(directory: Path, aws: Emulator, postgres: Postgres) -> Checkout:
    """This checkout, with a stage that was never deployed."""
    package.build()
    return _checkout(directory / "first", "first", aws, postgres).today()


@pytest.fixture(scope="package")
def second(directory: Path, aws: Emulator, postgres: Postgres) -> Checkout:
    """A stage for the release of a72f9b6, which was never deployed."""
    return _checkout(directory / "second", "second", aws, postgres)


@pytest.fixture(scope="package")
def old_deployment(second: Checkout) -> Iterator[Future[Finished]]:
    """The first deployment of the second stage, which runs during the tests of the first stage."""

    def deploy() -> Finished:
        package = ("--package", str(second.old()))
        return second.herald(
            "deploy", "--yes", "--skip-migrate", "--skip-smoke", "--json", *package
        )

    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(deploy)


def _checkout(directory: Path, stage: str, aws: Emulator, postgres: Postgres) -> Checkout:
    """Make an empty directory and an empty database for a stage."""
    directory.mkdir()
    connection = psycopg2.connect(postgres.dsn("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE rehearsal_{stage} TEMPLATE template0")
    connection.close()
    return Checkout(directory, stage, aws, postgres.dsn(f"rehearsal_{stage}"))

"""Fixtures for several suites: the running local stack and temporary databases.

`stack` starts one stack for the whole test run, in build/test-stack. With HERALD_STACK_ENV=<a
stack.env>, the tests use a stack that is already running (`make up`) and do not stop it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from local import postgres as launcher
from local.choices import Choices
from local.ports import reserve_port
from local.stack import Stack
from tests.databases import empty_database
from tooling import BUILD, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres


def pytest_configure(config: pytest.Config) -> None:
    # Not at the top: tests/faults/__main__.py imports this file before pytest prepares Hypothesis.
    from hypothesis import settings

    # An example may take long on a busy machine, and no test is a measurement.
    settings.register_profile("herald", deadline=None)
    settings.load_profile("herald")
    # pytest tears down fixtures on Ctrl-C but not on SIGTERM, so SIGTERM is handled like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # pytest-terraform aborts the run if terraform is not on PATH. Any name prevents this. The tests
    # that use the plugin set the path of terraform themselves.
    if not shutil.which("terraform"):
        config.option.dest_tf_binary = "terraform"


@pytest.fixture(scope="session")
def page_port() -> Iterator[int]:
    """A free port for a page of an application: the stack accepts http://localhost:<port>."""
    if os.environ.get("HERALD_STACK_ENV"):
        yield 5173  # of `make up ORIGINS=http://localhost:5173`
        return
    with reserve_port() as reservation:
        yield reservation.getsockname()[1]


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, page_port: int) -> Iterator[Stack]:
    """The running local stack."""
    if running := os.environ.get("HERALD_STACK_ENV"):
        yield Stack(Path(running).resolve().parent)
        return
    # Tests start stand-ins of providers' CDNs, whose ports are not known yet.
    origins = (f"http://localhost:{page_port}",)
    choices = Choices(fetch_hosts=("127.0.0.1:*",), origins=origins)
    started = Stack(BUILD / "test-stack", choices)
    try:
        # Starting takes a minute, so the progress is shown although pytest captures output.
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            print()
            started.up(owned=True)
        yield started
    finally:
        started.down()


@pytest.fixture(scope="session")
def stack_env(stack: Stack) -> dict[str, str]:
    """The stack's addresses and secrets, as in its stack.env."""
    return stack.environment()


@pytest.fixture
def database(stack_env: dict[str, str]) -> Iterator[Any]:
    """A psycopg2 connection in autocommit mode to the stack's PostgreSQL."""
    connection = psycopg2.connect(stack_env["HERALD_DATABASE_URL"])
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this run; its database `herald` has the current schema."""
    server = launcher.create()
    try:
        migrations.upgrade(server.dsn())
        yield server
    finally:
        server.remove()


@pytest.fixture
def fresh_database(postgres: Postgres) -> Iterator[str]:
    """The DSN of an empty database with the current schema, for a single test."""
    with empty_database(postgres) as dsn:
        yield dsn

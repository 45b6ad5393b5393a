"""An engine per test, with credentials and without waits between attempts."""

from collections.abc import Iterator

import pytest

from chalicelib.engine.engine import Engine
from tests.integration.engine.scripted import Clock


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def running(clock: Clock) -> Iterator[Engine]:
    created = Engine(clock, backoff=lambda failures: 0.0)
    yield created
    created.close()

"""Unit tests, with their fixtures, open no sockets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.no_sockets import sockets_refused

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent
EXEMPT = ("local",)  # folders whose tests still open sockets


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


def _guarded(item: pytest.Item) -> Generator[None, object, object]:
    if item.path.relative_to(HERE).parts[0] in EXEMPT:
        return (yield)
    with sockets_refused():
        return (yield)

"""The shared stack with fault proxies. All faults are removed before and after each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.faults.alerts import Alerts
from tests.faults.stack import FaultStack, Tab, proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import Stack


@pytest.fixture(scope="package")
def proxied_stack(stack: Stack) -> Iterator[FaultStack]:
    """The shared stack with proxies on its paths, for the tests in this folder."""
    with proxied(stack) as stand:
        yield stand


@pytest.fixture
def fault_stack(proxied_stack: FaultStack) -> Iterator[FaultStack]:
    """The local stack. Faults that a test leaves behind are removed after the test."""
    proxied_stack.heal()
    yield proxied_stack
    proxied_stack.heal()


@pytest.fixture
def user() -> str:
    """A user for this test alone."""
    return f"user-{uuid4().hex[:12]}"


@pytest.fixture
def open_tab(fault_stack: FaultStack) -> Iterator[Callable[..., Tab]]:
    """Opens tabs and closes them after the test. Their frames must be those of the contract."""
    tabs: list[Tab] = []

    def opened(user: str, **options: Any) -> Tab:
        tabs.append(fault_stack.tab(user, **options))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()
    assert [found for tab in tabs for found in tab.client.violations] == []


@pytest.fixture(scope="package")
def alerts(proxied_stack: FaultStack) -> Iterator[Alerts]:
    """The alerts that operators get."""
    subscriber = Alerts(proxied_stack)
    yield subscriber
    subscriber.close()

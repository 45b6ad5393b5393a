"""The stack of the run with fault proxies in it, healed before and after each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.faults.alerts import Alerts
from tests.faults.stack import FaultStack, Page, proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import Stack


@pytest.fixture(scope="package")
def proxied_stack(stack: Stack) -> Iterator[FaultStack]:
    """The stack of the run with proxies in its paths, for the tests of this folder."""
    with proxied(stack) as stand:
        yield stand


@pytest.fixture
def fault_stack(proxied_stack: FaultStack) -> Iterator[FaultStack]:
    """The applied stack; whatever a test breaks is mended after it."""
    proxied_stack.heal()
    yield proxied_stack
    proxied_stack.heal()


@pytest.fixture
def user() -> str:
    """A user of this test alone."""
    return f"user-{uuid4().hex[:12]}"


@pytest.fixture
def open_page(fault_stack: FaultStack) -> Iterator[Callable[..., Page]]:
    """Opens pages, which are closed after the test."""
    pages: list[Page] = []

    def opened(user: str, **options: Any) -> Page:
        pages.append(fault_stack.page(user, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="package")
def alerts(proxied_stack: FaultStack) -> Iterator[Alerts]:
    """What operators are told."""
    subscriber = Alerts(proxied_stack)
    yield subscriber
    subscriber.close()

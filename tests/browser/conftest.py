"""Fixtures for a headless Chromium and pages of the studio."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.studio import StudioPage
from tooling.environments import find_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=30_000)


# This fixture is not session-scoped, because Playwright keeps an event loop running and later tests
# need their own loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = find_chromium()
    assert executable, (
        "no Chromium: run `make browser` as root to install it, or set CHROMIUM to one"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def user() -> str:
    """A user for this test alone."""
    return f"browser-{uuid4().hex[:12]}"


@pytest.fixture
def studio_url(stack_env: dict[str, str]) -> str:
    """The studio of the applied stack."""
    return stack_env["HERALD_STUDIO_URL"]


@pytest.fixture
def visit(browser: Browser, studio_url: str) -> Iterator[Callable[[str], StudioPage]]:
    """Opens the studio for a user, each time in a new browser context; fails on page errors."""
    pages: list[StudioPage] = []

    def open_page(user: str) -> StudioPage:
        page: Page = browser.new_context().new_page()
        pages.append(StudioPage(page, studio_url, user))
        pages[-1].open()
        return pages[-1]

    yield open_page
    for page in pages:
        page.page.context.close()
    assert [error for page in pages for error in page.errors] == []

"""The JavaScript client in pages of an application: with and without React, and in several tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.fakes.application import Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

IMAGE = "https://images.example/1.png"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Application]:
    (tmp_path / "images").mkdir()
    with application(tmp_path / "images") as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def visit(context: BrowserContext, site: Application, path: str) -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/{path}")
    return page


def expect_state(page: Page, state: str, seconds: float = 30) -> None:
    expect(page.locator("#state")).to_have_text(state, timeout=seconds * 1000)


@pytest.mark.parametrize("path", ["plain.html", "react.html"])
def test_old_rows_that_arrive_after_an_event_do_not_hide_its_result(
    context: BrowserContext, site: Application, path: str
) -> None:
    generation = site.submit("A lighthouse")
    site.late = 2
    page = context.new_page()
    with page.expect_request("**/api/generations?reason=start"):
        page.goto(f"{site.url}/{path}")
    expect_state(page, "live")
    while not site.loads:  # the rows have been read, and are on their way
        page.wait_for_timeout(10)
    with page.expect_response("**/api/generations?*") as answer:
        site.herald.complete(generation, IMAGE)
    assert answer.value.json()[0]["status"] == "PENDING", "the rows were read before the event"
    item = page.locator("#list li")
    expect(item).to_have_text(f"A lighthouse: COMPLETE {IMAGE}")
    page.wait_for_function("herald.position.offset === 1")
    expect(item).to_have_text(f"A lighthouse: COMPLETE {IMAGE}")
    assert site.loads == ["start"]


def test_a_provider_under_strict_mode_opens_one_socket(
    context: BrowserContext, site: Application
) -> None:
    page = context.new_page()
    opened: list[str] = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    page.goto(f"{site.url}/react.html")
    expect_state(page, "live")
    page.evaluate("document.querySelector('#root').textContent")
    assert opened == [site.websocket_url]
    assert site.herald.connections == 1


@pytest.mark.parametrize("path", ["plain.html", "react.html"])
def test_offline_is_shown_within_a_second(
    context: BrowserContext, site: Application, path: str
) -> None:
    page = visit(context, site, path)
    expect_state(page, "live")
    context.set_offline(True)
    expect_state(page, "offline", seconds=1)
    context.set_offline(False)
    expect_state(page, "live")


def test_while_herald_is_down_the_page_has_its_own_rows_within_four_seconds(
    context: BrowserContext, site: Application
) -> None:
    site.submit("A lighthouse")
    site.herald.refusing = True
    page = visit(context, site, "plain.html")
    expect(page.locator("#list li")).to_have_text("A lighthouse: PENDING")
    assert page.evaluate("shownAfter") < 4_000
    expect_state(page, "reconnecting")
    (error,) = page.evaluate("errors")
    assert error.startswith("never_opened")
    assert f"{site.url} is not in allowed" in error
    site.herald.refusing = False
    expect_state(page, "live")
    assert site.loads == ["unreachable", "start"]


def test_three_tabs_share_a_connection_and_survive_the_leading_tab(
    context: BrowserContext, site: Application
) -> None:
    tabs = [visit(context, site, "plain.html?shared") for _ in range(3)]
    for tab in tabs:
        expect_state(tab, "live")
    assert site.herald.connections == 1
    first, second = (site.submit(prompt) for prompt in ("First", "Second"))
    site.herald.complete(first, IMAGE)
    for tab in tabs:
        tab.wait_for_function("received.length === 1")
    tabs[0].close()  # the tab that was opened first leads
    site.herald.complete(second, IMAGE)
    for tab in tabs[1:]:
        tab.wait_for_function("received.length === 2")
        expect_state(tab, "live")
        assert tab.evaluate("received") == [first, second], "each event once, none lost"
        assert tab.evaluate("errors") == []
    assert site.herald.connections == 1
    assert site.loads == ["start"] * 3


def test_without_web_locks_each_shared_tab_has_a_connection_of_its_own(
    context: BrowserContext, site: Application
) -> None:
    context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    for _ in range(2):
        expect_state(visit(context, site, "plain.html?shared"), "live")
    assert site.herald.connections == 2


def test_a_frozen_leading_tab_does_not_keep_another_from_connecting(
    context: BrowserContext, site: Application
) -> None:
    # A tab that has the lock and does not respond, as if it were frozen.
    frozen = visit(context, site, "plain.html")
    expect_state(frozen, "live")
    name = f"herald:{site.websocket_url}:alice"
    frozen.evaluate(f"void navigator.locks.request('{name}', () => new Promise(() => {{}}))")
    tab = visit(context, site, "plain.html?shared")
    expect_state(tab, "live", seconds=10)
    assert site.herald.connections == 2

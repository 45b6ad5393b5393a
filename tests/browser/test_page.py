"""The page handles gaps, notices and missing responses of a scripted Herald."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from local.studio.app import create_app
from tests.browser.studio import StudioPage
from tests.fakes.herald import FakeHerald, MemoryStore
from tests.fakes.serving import listener, port, serving
from tests.fakes.studio import studio_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from local.studio.settings import Settings

pytestmark = pytest.mark.browser


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return studio_settings(tmp_path)


@pytest.fixture
def herald(settings: Settings) -> Iterator[tuple[FakeHerald, str]]:
    """A scripted Herald, and the address of a studio that uses it."""
    studio, callback = listener(), listener()
    url, host = f"http://127.0.0.1:{port(studio)}", f"127.0.0.1:{port(callback)}"
    settings = replace(
        settings,
        callbacks_url=f"http://{host}/callbacks",
        websocket_url=f"ws://{host}/ws",
        studio_url=url,
    )
    store = MemoryStore()
    fake = FakeHerald(settings, store)
    with serving(fake.app, callback), serving(create_app(settings, store), studio):
        yield fake, url


@pytest.fixture
def studio_url(herald: tuple[FakeHerald, str]) -> str:
    return herald[1]


def test_a_gap_is_shown_and_the_state_is_reloaded(
    visit: Callable[[str], StudioPage], herald: tuple[FakeHerald, str]
) -> None:
    away, witness = visit("alice"), visit("alice")
    away.press("Go offline")
    card = away.generate("A lighthouse in a storm")
    witness.expect_picture(witness.card("A lighthouse in a storm"), via="live")
    herald[0].expire("alice")
    away.press("Come back")
    away.expect_picture(card, via="state")
    expect(away.log("Gap: events are missing")).to_contain_text("expired")
    away.expect_state("live")
    assert away.loads_since == 1
    away.expect_picture(away.generate("Two cats"), via="live")


def test_a_picture_that_is_pending_after_a_reload_arrives_by_event(
    visit: Callable[[str], StudioPage], herald: tuple[FakeHerald, str]
) -> None:
    herald[0].gate.clear()
    try:
        studio = visit("alice")
        expect(studio.generate("Paper boats")).to_have_attribute("data-status", "PENDING")
        studio.page.reload()
        card = studio.card("Paper boats")
        expect(card).to_have_attribute("data-via", "state")
        expect(card).to_have_attribute("data-status", "PENDING")
        studio.expect_state("live")
    finally:
        herald[0].gate.set()
    studio.expect_picture(card, via="live")
    assert studio.loads_since == 1, "the state is loaded once per page load"


def test_a_result_recorded_on_a_later_attempt_is_shown(
    visit: Callable[[str], StudioPage], herald: tuple[FakeHerald, str]
) -> None:
    herald[0].answers.append((503, {"retry-after": "1"}))
    studio = visit("alice")
    card = studio.generate("A lighthouse in a storm")
    studio.expect_picture(card, via="live")
    expect(studio.log("ERROR · A lighthouse in a storm")).to_contain_text("notice")
    expect(studio.log("COMPLETE · A lighthouse in a storm")).to_contain_text("offset 1")
    expect(card.get_by_text("could not be recorded")).to_be_hidden()
    assert len({headers["webhook-id"] for headers in herald[0].webhooks}) == 1


def test_while_herald_is_down_the_page_shows_the_applications_state_and_recovers(
    browser: Browser, visit: Callable[[str], StudioPage], herald: tuple[FakeHerald, str]
) -> None:
    fake, url = herald
    visit("alice").generate("A lighthouse in a storm")
    fake.refusing = True
    context = browser.new_context()
    studio = StudioPage(context.new_page(), url, "alice")
    studio.open(state="offline")
    expect(studio.card("A lighthouse in a storm")).to_be_visible()
    fake.refusing = False
    studio.expect_state("live")
    studio.expect_picture(studio.generate("Two cats"), via="live")
    context.close()


def test_signing_in_as_another_user_switches_pictures_and_events(
    visit: Callable[[str], StudioPage], herald: tuple[FakeHerald, str]
) -> None:
    studio = visit("alice")
    studio.expect_picture(studio.generate("A lighthouse in a storm"), via="live")
    name = studio.page.get_by_label("Signed in as")
    name.fill("bob")
    name.press("Enter")
    expect(studio.page.get_by_text("Nothing here yet.")).to_be_visible()
    studio.expect_picture(studio.generate("Two cats"), via="live")
    expect(studio.page.locator(".card")).to_have_count(1)
    name.fill("alice")
    name.press("Enter")
    expect(studio.card("A lighthouse in a storm")).to_be_visible()
    expect(studio.card("Two cats")).to_have_count(0)
    expect(studio.log("Gap")).to_have_count(0)


def test_a_rejected_prompt_shows_why_and_stays_in_its_field(
    visit: Callable[[str], StudioPage],
) -> None:
    studio = visit("alice")
    field = studio.page.get_by_label("Prompt")
    field.fill("   ")
    field.press("Enter")
    expect(studio.page.get_by_role("alert")).to_contain_text("prompt must be a non-empty string")
    expect(field).to_have_value("   ")
    field.fill("Two cats")
    field.press("Enter")
    expect(field).to_have_value("")
    expect(studio.page.get_by_role("alert")).to_be_hidden()
    studio.expect_picture(studio.card("Two cats"), via="live")

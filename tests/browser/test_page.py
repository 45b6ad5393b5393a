"""The page handles gaps, notices and missing responses of a scripted Herald."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

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
def running(herald: tuple[FakeHerald, str]) -> Iterator[tuple[FakeHerald, str]]:
    """The same, and no generation has a result before `gate` is set."""
    herald[0].gate.clear()
    yield herald
    herald[0].gate.set()


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
    studio.open(state="reconnecting")
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


def test_a_fraction_a_step_and_a_preview_are_shown_until_the_picture_arrives(
    visit: Callable[[str], StudioPage], running: tuple[FakeHerald, str]
) -> None:
    fake, url = running
    fake.progress = {
        "progress": 0.35,
        "step": "sampling 7/20",
        "previewUrl": f"{url}/static/herald.svg",
    }
    studio = visit("alice")
    card = studio.generate("Two cats")
    bar = card.get_by_role("progressbar", name="Progress of Two cats")
    expect(bar).to_have_attribute("aria-valuenow", "35")
    expect(bar).to_have_attribute("aria-valuetext", "35%, sampling 7/20")
    expect(card.locator(".how")).to_have_text("sampling 7/20")
    expect(card.get_by_role("img", name="Preview of Two cats")).to_be_visible()
    fake.gate.set()
    studio.expect_picture(card, via="live")
    expect(card.get_by_role("img", name="Two cats", exact=True)).to_be_visible()
    expect(card.get_by_role("progressbar")).to_have_count(0)


@pytest.mark.parametrize(("motion", "filled"), [("no-preference", False), ("reduce", True)])
def test_progress_without_a_fraction_looks_like_no_fraction(
    visit: Callable[[str], StudioPage],
    running: tuple[FakeHerald, str],
    motion: Literal["no-preference", "reduce"],
    filled: bool,
) -> None:
    running[0].progress = {"step": "loading the model"}
    studio = visit("alice")
    studio.page.emulate_media(reduced_motion=motion)
    card = studio.generate("Two cats")
    expect(card.locator(".how")).to_have_text("loading the model")
    bar = card.get_by_role("progressbar")
    expect(bar).not_to_have_attribute("aria-valuenow", re.compile(".*"))
    expect(bar).to_have_attribute("aria-valuetext", "loading the model")
    widths = bar.evaluate("bar => [bar, bar.firstElementChild].map((part) => part.offsetWidth)")
    animation = bar.evaluate("bar => getComputedStyle(bar.firstElementChild).animationName")
    # A part of the bar that does not move would be read as a fraction.
    assert (widths[1] == widths[0], animation == "none") == (filled, filled)
    assert widths[1] > 0


def test_a_preview_that_is_no_picture_is_not_shown(
    visit: Callable[[str], StudioPage], running: tuple[FakeHerald, str]
) -> None:
    running[0].progress = {"progress": 0.5, "previewUrl": f"{running[1]}/healthz"}
    studio = visit("alice")
    with studio.page.expect_response("**/healthz"):
        card = studio.generate("Two cats")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(card.locator("img")).to_be_hidden()


def test_a_preview_disappears_when_the_generation_fails(
    visit: Callable[[str], StudioPage], running: tuple[FakeHerald, str]
) -> None:
    fake, url = running
    fake.progress = {"previewUrl": f"{url}/static/herald.svg"}
    card = visit("alice").generate("Please fail")
    expect(card.locator("img")).to_be_visible()
    fake.gate.set()
    expect(card).to_have_attribute("data-status", "ERROR")
    expect(card).to_contain_text("CUDA out of memory")
    expect(card.locator("img")).to_be_hidden()


def test_a_page_that_reloads_shows_the_progress_of_a_running_generation(
    visit: Callable[[str], StudioPage], running: tuple[FakeHerald, str]
) -> None:
    running[0].progress = {"progress": 0.35, "step": "sampling 7/20"}
    studio = visit("alice")
    card = studio.generate("Two cats")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "35")
    # The progress arrives before the state, and therefore before the card.
    with studio.slow_state() as continue_loading:
        studio.page.reload()
        studio.expect_state("live")
        studio.await_event()
        continue_loading()
    expect(card).to_have_attribute("data-via", "state")
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "35")
    expect(card.locator(".how")).to_have_text("sampling 7/20")

"""The studio as its user sees it: images arrive by event, even after a reload or a lost
connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from local.studio.provider import PROVIDERS
from tests.browser.studio import StudioPage

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser


def test_a_picture_arrives_by_event(visit: Callable[[str], StudioPage], user: str) -> None:
    studio = visit(user)
    card = studio.generate("A lighthouse in a storm")
    expect(card).to_have_attribute("data-status", "PENDING")
    studio.expect_picture(card, via="live")
    (frame,) = studio.events(card)
    assert frame["event"]["data"]["status"] == "COMPLETE"
    assert frame["event"]["userid"] == user
    assert studio.loads_since == 0, "the page must not load what the event contains"
    expect(card).to_contain_text("event in")
    expect(studio.page.locator("#position b")).to_have_text(str(frame["offset"]))


def test_a_reload_keeps_the_picture_and_later_events_arrive(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    studio = visit(user)
    studio.expect_picture(studio.generate("A quiet harbour at dawn"), via="live")
    studio.page.reload()
    studio.expect_state("live")
    studio.expect_picture(studio.card("A quiet harbour at dawn"), via="state")
    studio.expect_picture(studio.generate("An orchard on the moon"), via="live")


def test_a_reload_during_a_generation_loses_nothing(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    studio = visit(user)
    card = studio.generate("Paper boats")
    expect(card).to_have_attribute("data-status", "PENDING")
    studio.page.reload()
    studio.expect_picture(studio.card("Paper boats"))


def test_events_missed_while_offline_are_replayed(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    away, witness = visit(user), visit(user)
    away.press("Go offline")
    away.expect_state("offline")
    card = away.generate("The last train to the coast")
    expect(card).to_have_attribute("data-status", "PENDING")
    witness.expect_picture(witness.card("The last train to the coast"), via="live")
    expect(card).to_have_attribute("data-status", "PENDING")
    assert away.events(card) == []
    away.press("Come back")
    away.expect_picture(card, via="replay")
    away.expect_state("live")
    assert away.loads_since == 0, "recovered by replay, not by reloading the state"
    expect(away.log("Gap")).to_have_count(0)


def test_a_dropped_connection_is_restored(visit: Callable[[str], StudioPage], user: str) -> None:
    studio = visit(user)
    card = studio.generate("Deep sea cathedral")
    expect(card).to_have_attribute("data-status", "PENDING")
    studio.press("Drop connection")
    expect(studio.log("reconnecting")).to_be_visible()
    expect(card).to_have_attribute("data-status", "COMPLETE")
    studio.expect_state("live")
    assert len({frame["event"]["id"] for frame in studio.events(card)}) == 1
    assert studio.log("COMPLETE · Deep sea cathedral").count() == 1, "delivered once"
    assert studio.loads_since == 0


def test_users_do_not_see_each_others_pictures(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    alice, bob = visit(f"{user}-a"), visit(f"{user}-b")
    hers = alice.generate("A red fox in the snow")
    his = bob.generate("Winter market")
    alice.expect_picture(hers, via="live")
    bob.expect_picture(his, via="live")
    for page, owner in ((alice, f"{user}-a"), (bob, f"{user}-b")):
        expect(page.page.locator(".card")).to_have_count(1)
        events = [frame["event"] for frame in page.frames if frame["type"] == "event"]
        assert {event["userid"] for event in events} == {owner}


def test_an_error_shows_its_message(visit: Callable[[str], StudioPage], user: str) -> None:
    studio = visit(user)
    card = studio.generate("Please fail")
    expect(card).to_have_attribute("data-status", "ERROR")
    expect(card).to_have_attribute("data-via", "live")
    expect(card).to_contain_text("CUDA out of memory")
    expect(card.locator("img")).to_be_hidden()
    (frame,) = studio.events(card)
    assert frame["event"]["data"]["error"]["code"] == "generation_failed"


def test_both_tabs_of_a_user_show_the_picture(
    visit: Callable[[str], StudioPage], studio_url: str, user: str
) -> None:
    first = visit(user)
    second = StudioPage(first.page.context.new_page(), studio_url, user)
    second.open()
    card = first.generate("Two cats")
    first.expect_picture(card, via="live")
    second.expect_picture(second.card("Two cats"), via="live")
    assert second.errors == []


def test_a_prompt_is_shown_as_text_and_never_as_markup(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    prompt = "<img src=x onerror=alert(1)> & <b>bold</b>"
    studio = visit(user)
    card = studio.generate(prompt)
    studio.expect_picture(card, via="live")
    expect(card.get_by_role("heading")).to_have_text(prompt)
    expect(card.locator("b")).to_have_count(0)


def test_progress_is_shown_until_the_picture_arrives(
    visit: Callable[[str], StudioPage], user: str
) -> None:
    studio = visit(user)
    studio.page.get_by_label("Provider").select_option("generations")
    card = studio.generate("A harbour in the fog")
    bar = card.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "33")
    expect(card).to_contain_text("step 9/28")
    studio.expect_picture(card, via="live")
    expect(bar).to_be_hidden()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_picture_of_every_provider_arrives(
    visit: Callable[[str], StudioPage], user: str, provider: str
) -> None:
    studio = visit(user)
    studio.page.get_by_label("Provider").select_option(provider)
    studio.expect_picture(studio.generate(f"A lighthouse by {provider}"), via="live")

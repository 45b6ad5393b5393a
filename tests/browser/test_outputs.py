"""A page that returns after the provider has forgotten a picture still shows it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from local.studio import artwork
from tests.e2e.conftest import eventually
from tests.integration.outputs import cdn
from tests.providers import Provider
from tooling.providers.samples import Job, now, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Page

    from tests.browser.studio import StudioPage
    from tests.integration.outputs.cdn import Cdn, Request

pytestmark = pytest.mark.browser

LIFETIME = 5.0  # seconds for which the stand-in keeps a file


class Forgetful:
    """A CDN with a clock of its own, which deletes its files after LIFETIME."""

    def __init__(self, server: Cdn) -> None:
        self._server = server
        self.now = 0.0

    def put(self, path: str, content: bytes) -> str:
        until = self.now + LIFETIME

        def serve(request: Request) -> None:
            if self.now < until:
                request.serve(content, "image/png")
            else:
                request.answer(404, {"content-length": "0"})

        self._server.files[path] = serve
        return self._server.url(path)


@pytest.fixture
def source() -> Iterator[Forgetful]:
    with cdn.running() as server:
        yield Forgetful(server)


def picture() -> bytes:
    file = io.BytesIO()
    artwork.paint("a lighthouse").save(file, format="PNG")
    return file.getvalue()


def shown(page: Page, link: str) -> int:
    """Return the width of the picture that a page shows at a link, 0 if it cannot be loaded."""
    page.set_content(f'<img src="{link}">')
    image = page.locator("img")
    expect(image).to_have_js_property("complete", value=True)
    return int(image.evaluate("image => image.naturalWidth"))


def test_a_returning_page_shows_a_picture_that_the_provider_has_forgotten(
    browser: Browser,
    visit: Callable[[str], StudioPage],
    user: str,
    database: object,
    stack_env: Mapping[str, str],
    source: Forgetful,
) -> None:
    live, away = visit(user), visit(user)
    away.press("Go offline")
    away.expect_state("offline")
    generation = _inserted(database, user)
    url = source.put("/xezq/out-0.png", picture())
    body = sample("replicate", "succeeded", Job(generation, f"p-{generation}", (url,), at=now()))
    assert body is not None
    assert Provider("replicate", stack_env).call(body, generation).status_code == 200
    card = live.card("A lighthouse in a storm")
    expect(card).to_have_attribute("data-status", "COMPLETE")
    expect(card).to_have_attribute("data-via", "live")
    [frame] = live.events(card)
    link = frame["event"]["data"]["imageUrl"]
    plain = browser.new_context().new_page()
    assert shown(plain, link) == artwork.SIZE  # from the provider or already from the copy
    eventually(lambda: httpx.get(link, headers={"accept": "application/json"}).json()["kept"])
    source.now += 3600
    assert shown(plain, url) == 0
    plain.context.close()
    away.press("Come back")
    away.expect_picture(away.card("A lighthouse in a storm"), via="replay")
    again = visit(user)
    again.expect_picture(again.card("A lighthouse in a storm"), via="state")


def _inserted(database: object, user: str) -> str:
    with database.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(
            "INSERT INTO herald.generations (id, user_id, prompt)"
            " VALUES (gen_random_uuid(), %s, 'A lighthouse in a storm') RETURNING id::text",
            (user,),
        )
        return str(cursor.fetchone()[0])

"""Looks at the page that docs/integrate/ builds, in Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROMPT = "A lighthouse above the fog"


def develop(browser: Browser, url: str) -> list[str]:
    """Enter a prompt, see the progress and the picture, and see it again after a reload.

    Returns what the page reported as errors.
    """
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.extend([said.text] * (said.type == "error")))
    page.goto(url)
    expect(page.get_by_role("status")).to_have_text("Live")
    page.get_by_label("linocut").check(force=True)
    page.get_by_label("Prompt").fill(PROMPT)
    page.get_by_role("button", name="Develop").click()
    expect(page.get_by_label("Prompt")).to_have_value("")
    progress = page.get_by_role("listitem").locator("progress")
    expect(progress).to_have_attribute("value", re.compile(r"0\.\d+"))
    _expect_picture(page)
    page.reload()  # the row has the result, too
    _expect_picture(page)
    context.close()
    return problems


def _expect_picture(page: Page) -> None:
    """Wait until the only card shows the picture, its prompt and its style."""
    card = page.get_by_role("listitem")
    expect(card).to_have_count(1)
    expect(card.locator("figcaption")).to_have_text(f"{PROMPT}linocut")
    expect(card.get_by_alt_text(PROMPT)).to_be_visible()
    page.wait_for_function("document.querySelector('.frame img').naturalWidth === 640")

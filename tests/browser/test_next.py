"""docs/integrate/nextjs.md, followed on the applied stack: from the first paint to the picture."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.stranger.follow import Reader
from tests.unit.test_docs import DOCUMENTS
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

    from local.stack import Stack

pytestmark = pytest.mark.browser

# The stack of the test run is up already.
MAKEFILE = "up:\n\t@test '$(ORIGINS)' = http://localhost:3000\n"
LEFT_OUT = shutil.ignore_patterns("node_modules", ".next", ".env.local", "*.tsbuildinfo")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Path]:
    """The example in a checkout of Herald, whose stack is that of the test run."""
    folder = tmp_path_factory.mktemp("next")
    checkout = folder / "herald"
    (checkout / "build" / "local").mkdir(parents=True)
    (checkout / "Makefile").write_text(MAKEFILE)
    (checkout / "build" / "local" / "stack.env").symlink_to(stack.env_file)
    (checkout / "clients").symlink_to(ROOT / "clients")
    example = checkout / "examples" / "next"
    shutil.copytree(ROOT / "examples" / "next", example, ignore=LEFT_OUT)
    (folder / "pictures").symlink_to(example)  # where the reader saves the files of the page
    yield example
    shutil.rmtree(example / "node_modules", ignore_errors=True)  # 400 MB, which pytest would keep
    shutil.rmtree(example / ".next", ignore_errors=True)


@pytest.fixture(scope="module")
def reader(example: Path, page_port: int) -> Iterator[Reader]:
    """Somebody who has followed the page, so that the example runs."""
    environment = {"PORT": str(page_port), "NEXT_TELEMETRY_DISABLED": "1"}
    with Reader(example.parents[2], environment) as reader:
        reader.follow(DOCUMENTS["docs/integrate/nextjs.md"])
        yield reader


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def develop(page: Page, prompt: str) -> None:
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Develop").click()
    expect(page.get_by_label("Prompt")).to_have_value("")


def test_the_page_leads_to_a_picture_that_is_in_the_next_first_paint(
    reader: Reader, example: Path, page_port: int, browser: Browser, context: BrowserContext
) -> None:
    url = f"http://localhost:{page_port}"
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.extend([said.text] * (said.type == "error")))
    page.goto(url)
    expect(page.get_by_role("status")).to_have_text("Live")
    develop(page, "A lighthouse above the fog")
    first = page.get_by_role("listitem").filter(has_text="lighthouse")
    expect(first.locator("progress")).to_have_attribute("value", re.compile(r"0\.\d+"))
    develop(page, "A bridge that will fail")
    cards = page.get_by_role("listitem")
    expect(cards.locator("figcaption")).to_have_text(
        ["A bridge that will fail", "A lighthouse above the fog"]
    )
    expect(first.get_by_alt_text("A lighthouse above the fog")).to_be_visible()
    page.wait_for_function("document.querySelector('img[alt^=A]')?.naturalWidth === 640")
    expect(cards.first).to_contain_text("CUDA out of memory")

    # The server renders both rows; it has the same client at module scope, and does not connect.
    without_scripts = browser.new_context(
        java_script_enabled=False, storage_state=context.storage_state()
    )
    painted = without_scripts.new_page()
    painted.goto(url)
    expect(painted.locator("figcaption")).to_have_text(
        ["A bridge that will fail", "A lighthouse above the fog"]
    )
    expect(painted.get_by_alt_text("A lighthouse above the fog")).to_be_visible()
    expect(painted.get_by_role("status")).to_have_text("Connecting")
    without_scripts.close()

    page.reload()
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(cards).to_have_count(2)
    assert problems == []
    assert "Error" not in reader.output()
    assert (example / "tsconfig.json").read_text() == (
        ROOT / "examples" / "next" / "tsconfig.json"
    ).read_text(), "the build has changed it"


def test_another_visitor_sees_none_of_it(
    reader: Reader, page_port: int, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"http://localhost:{page_port}")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(page.get_by_text("Your pictures develop here.")).to_be_visible()
    answer = page.request.post(f"{page.url}api/generations", data={"prompt": " "})
    assert (answer.status, answer.json()["error"].split(":")[0]) == (400, "prompt")
    assert "Error" not in reader.output()

"""Controls the studio's page like a user and records its WebSocket frames."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page, Request, Route, WebSocket


class StudioPage:
    """One open page; it records every Herald frame and every load of the application's state."""

    def __init__(self, page: Page, url: str, user: str) -> None:
        self.page = page
        self._address = f"{url}/?{urlencode({'user': user})}"
        self.errors: list[str] = []
        self.frames: list[dict[str, Any]] = []
        self._first_frame = 0  # of the newest connection
        self.state_loads = 0
        self.loads_at_first = 0
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self._watch)
        page.on("request", self._count)

    def open(self, state: str = "live") -> None:
        """Load the page and wait for its connection and for the application's state."""
        self.page.goto(self._address)
        self.expect_state(state)
        expect(self.page.locator("#log li").first).to_contain_text("State loaded")
        self.loads_at_first = self.state_loads

    @property
    def loads_since(self) -> int:
        """The number of times that the page has loaded the state since it was opened."""
        return self.state_loads - self.loads_at_first

    def generate(self, prompt: str) -> Locator:
        """Type a prompt, send it, and return its card."""
        self.page.get_by_label("Prompt").fill(prompt)
        self.page.get_by_role("button", name="Generate").click()
        return self.card(prompt)

    def card(self, prompt: str) -> Locator:
        """The card of a prompt."""
        heading = self.page.get_by_role("heading", name=prompt, exact=True)
        return self.page.get_by_role("listitem").filter(has=heading)

    def log(self, text: str) -> Locator:
        """The lines of the event log that contain a text."""
        return self.page.locator("#log li").filter(has_text=text)

    def press(self, button: str) -> None:
        """Press a button by its label."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def expect_state(self, state: str) -> None:
        """Wait for the connection's state."""
        expect(self.page.locator("#state")).to_have_attribute("data-state", state)

    def expect_picture(self, card: Locator, *, via: str | None = None) -> None:
        """Wait until a card shows its decoded image, and check how the event was received."""
        expect(card).to_have_attribute("data-status", "COMPLETE")
        if via:
            expect(card).to_have_attribute("data-via", via)
        picture = card.get_by_role("img")
        expect(picture).to_be_visible()
        picture.evaluate("image => image.decode()")
        expect(picture).to_have_js_property("naturalWidth", 1024)

    def events(self, card: Locator) -> list[dict[str, Any]]:
        """The frames with a card's results, without progress, as received over the WebSocket."""
        items = [item for frame in self.frames for item in frame.get("items", [frame])]
        subject = card.get_attribute("data-id")
        events = [item for item in items if item.get("event", {}).get("subject") == subject]
        return [item for item in events if not item["event"]["type"].endswith(".progress")]

    @contextmanager
    def slow_state(self) -> Iterator[Callable[[], None]]:
        """Delay requests for the application's state until the yielded function is called."""
        delayed: list[Route] = []
        pattern = re.compile("/api/generations[?]")

        def delay(route: Route) -> None:
            delayed.append(route)

        def release() -> None:
            assert delayed, "the state was not requested"
            while delayed:
                delayed.pop().continue_()

        self.page.route(pattern, delay)
        yield release
        self.page.unroute(pattern)

    def await_event(self) -> None:
        """Wait until an event has arrived on the newest connection."""
        deadline = time.monotonic() + 30
        while not any(frame["type"] == "event" for frame in self.frames[self._first_frame :]):
            assert time.monotonic() < deadline, "no event arrived"
            self.page.wait_for_timeout(20)

    def _watch(self, socket: WebSocket) -> None:
        self._first_frame = len(self.frames)
        socket.on("framereceived", lambda data: self.frames.append(json.loads(data)))

    def _count(self, request: Request) -> None:
        if request.method == "GET" and urlsplit(request.url).path == "/api/generations":
            self.state_loads += 1

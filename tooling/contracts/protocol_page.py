"""What docs/protocol.md says beyond the types: the examples, and when a code or reason is sent.

tests/unit/test_docs.py compares the page with the server.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from tooling import ROOT

if TYPE_CHECKING:
    from tooling.contracts import Schema

PAGE = ROOT / "docs" / "protocol.md"


class Meaning(NamedTuple):
    """A row of the table of codes. `sent_as` has the types of the frames that contain the code."""

    code: int
    name: str
    reconnect: str
    sent_as: tuple[str, ...]
    text: str


def example_texts(kind: str) -> list[str]:
    """Return the examples of a frame, named by its action or type, as the page formats them."""
    texts = re.findall(r"(?ms)^```json\n(.*?)\n```", PAGE.read_text())
    return [text for text in texts if kind in _kinds(json.loads(text))]


def examples(kind: str) -> list[Schema]:
    """Return the examples of a frame."""
    return [json.loads(text) for text in example_texts(kind)]


def _kinds(frame: Schema) -> tuple[str | None, str | None]:
    return frame.get("action"), frame.get("type")


def codes() -> list[Meaning]:
    """Return the table of codes."""
    rows = re.findall(r"(?m)^\| (\d{4}) \| `(\w+)` \| `(\w+)` \| (.+?) \|$", PAGE.read_text())
    return [
        Meaning(
            int(code),
            name,
            reconnect,
            tuple(re.findall(r"`(error|close)`", text)),
            re.sub(r"`(?:error|close)`: ", "", text),
        )
        for code, name, reconnect, text in rows
    ]


def reasons() -> dict[str, str]:
    """Return the causes of a gap, by reason."""
    table = PAGE.read_text().split("| `reason` | cause |", 1)[1].split("\n\n", 1)[0]
    return dict(re.findall(r"(?m)^\| `(\w+)` \| (.+?) \|$", table))

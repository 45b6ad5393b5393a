"""Reads the pages of docs/integrate/ as a reader does who follows them: files to save, commands to
run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A line that ends with a file's name and a colon, and the block below it: "`server/main.py`:".
_FILE = re.compile(r"(?ms)^[^\n]*`([\w./-]+\.\w+)`:\n\n```(?!sh\n)\w*\n(.*?)^```")
_SHELL = re.compile(r"(?ms)^([^\n]*)\n\n```sh\n(.*?)^```")
# What the line above a server's commands says.
_OWN_TERMINAL = re.compile(r"\b(second|third|another) terminal\b")


class Commands(NamedTuple):
    """A block of commands. `server` is true if the last of them runs until it is stopped."""

    text: str
    server: bool


class File(NamedTuple):
    """A file to save."""

    path: str
    text: str


def files(page: str) -> list[File]:
    """Return the files of a page."""
    return [File(*found) for found in _FILE.findall(page)]


def shell(page: str) -> list[Commands]:
    """Return the commands of a page. The line above a block says if it needs another terminal."""
    return [_commands(*found) for found in _SHELL.findall(page)]


def steps(page: str) -> Iterator[Commands | File]:
    """Yield files and commands in the order of the page."""
    found: list[tuple[int, Commands | File]] = [
        (each.start(2), File(*each.groups())) for each in _FILE.finditer(page)
    ]
    for each in _SHELL.finditer(page):
        found.append((each.start(2), _commands(each[1], each[2])))
    yield from (step for _, step in sorted(found, key=lambda each: each[0]))


def _commands(above: str, text: str) -> Commands:
    return Commands(text, server=bool(_OWN_TERMINAL.search(above)))

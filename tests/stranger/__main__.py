"""A stranger's hour: `python -m tests.stranger`.

Clones this checkout's last commit, follows docs/integrate/ word for word, with a stack of the
clone's own, and waits for the first event of the application. The ports are those of the pages,
8000 and 5173. Prints how long it took; fails after 15 minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.stranger.follow import Reader, StepFailed
from tests.stranger.picture import develop
from tooling import ROOT
from tooling.environments import find_chromium

PAGES = ("fastapi.md", "vite-react.md")
URL = "http://localhost:5173"
MINUTES = 15


def main() -> int:
    os.environ.pop("HERALD_STACK_ENV", None)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stranger-") as name:
        folder, checkout = Path(name), Path(name) / "herald"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        try:
            with Reader(folder, {}) as reader:
                for page in PAGES:
                    reader.follow((checkout / "docs" / "integrate" / page).read_text())
                problems = _look()
        except StepFailed as failed:
            print(failed, file=sys.stderr)
            return 1
        finally:
            subprocess.run(["make", "-C", str(checkout), "down"], check=False)
    minutes = (time.monotonic() - started) / 60
    print(f"The first event of the application arrived after {minutes:.1f} minutes.")
    if problems:
        print("The page reported:", *problems, sep="\n", file=sys.stderr)
    return int(bool(problems) or minutes > MINUTES)


def _look() -> list[str]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        try:
            return develop(chromium, URL)
        finally:
            chromium.close()


if __name__ == "__main__":
    sys.exit(main())

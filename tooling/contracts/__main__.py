"""`make contracts`: writes contracts/ and docs/reference.md from the server's code.

With --release, the contracts also become those of the release, which later versions must not break.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from tooling import ROOT
from tooling.contracts import CONTRACTS, compatibility, files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def main(words: Sequence[str]) -> int:
    """Write the files; return the exit code."""
    found = files.contracts()
    changed = [path for path, text in files.texts(found).items() if _write(path, text)]
    print("\n".join(f"changed: {path.relative_to(ROOT)}" for path in changed) or "up to date")
    broken = compatibility.breaks(files.read(files.RELEASED), found)
    if broken:
        print("This breaks users of the last release:", *broken, sep="\n- ", file=sys.stderr)
        return 1
    if "--release" in words:
        files.RELEASED.mkdir(exist_ok=True)
        for name in found:
            shutil.copy(CONTRACTS / name, files.RELEASED / name)
    return 0


def _write(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

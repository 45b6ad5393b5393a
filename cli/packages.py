"""The packages that were deployed to a stage from this machine, kept for a rollback.

Each package is build/packages/<stage>/<sha256>.zip. The last deployed package has the newest
modification time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING

from cli.console import CommandError
from tooling import BUILD

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 5  # for each stage


def keep(stage: str, archive: Path) -> Path:
    """Keep a package as the last deployed one, delete the oldest, and return the kept path."""
    directory = BUILD / "packages" / stage
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / f"{digest(archive)}.zip"
    if not kept.exists():
        unfinished = kept.with_suffix(".new")
        shutil.copyfile(archive, unfinished)
        unfinished.replace(kept)
    now = time.time_ns()
    os.utime(kept, ns=(now, now))
    for old in deployed(stage)[KEPT:]:
        old.unlink()
    return kept


def deployed(stage: str) -> list[Path]:
    """Return the packages kept for a stage, starting with the last deployed one."""
    found = (BUILD / "packages" / stage).glob("*.zip")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def previous(stage: str) -> Path:
    """Return the package deployed before the last one; raises CommandError if there is none."""
    found = deployed(stage)
    if len(found) < 2:
        raise CommandError(
            f"No earlier package of stage {stage} was deployed from this machine. Check out the"
            f" earlier release and run `./herald deploy --stage {stage}` there."
        )
    return found[1]


def digest(archive: Path) -> str:
    """Return a package's SHA-256 in hexadecimal."""
    with archive.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

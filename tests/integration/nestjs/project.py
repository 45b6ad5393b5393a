"""The project that the page describes, in a folder of its own."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stranger.pages import files
from tooling import ROOT
from tooling.environments import ensure_node_packages, ensure_program, find_node

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = (ROOT / "docs" / "integrate" / "nestjs-prisma.md").read_text()
HERE = Path(__file__).parent
_SECONDS = 120


class Project:
    """The files of the page, and its commands; `DATABASE_URL` names the database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        packages = ensure_node_packages("nestjs")
        (folder / "node_modules").symlink_to(packages)
        (folder / "package.json").write_text('{"type": "module"}')
        for path, text in files(PAGE):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        engine = shutil.copy(HERE / "schema-engine.mjs", folder)
        shutil.copy(HERE / "main.ts", folder / "src")
        self.node = ensure_program("nodejs", find_node)
        self._environment = {
            "PRISMA_SCHEMA_ENGINE_BINARY": str(engine),
            "CHECKPOINT_DISABLE": "1",  # no look-up of newer versions
            "NO_COLOR": "1",
        }

    def environment(self, database: str) -> dict[str, str]:
        return {**os.environ, **self._environment, "DATABASE_URL": database}

    def prisma(self, database: str, *arguments: str) -> tuple[int, str]:
        """Run a command of Prisma; return its exit code and its output."""
        return self._run(("prisma", "build", "index.js"), arguments, self.environment(database))

    def migrate_dev(self, database: str, name: str) -> str:
        """Run `prisma migrate dev`, which needs a terminal; return its output."""
        main, terminal = pty.openpty()
        try:
            script = self.folder / "node_modules" / "prisma" / "build" / "index.js"
            process = subprocess.Popen(
                [self.node, script, "migrate", "dev", "--name", name],
                cwd=self.folder, env=self.environment(database),
                stdin=terminal, stdout=terminal, stderr=terminal,
            )  # fmt: skip
            os.close(terminal)
            output = _read(main)
            assert process.wait(_SECONDS) == 0, output
        finally:
            os.close(main)
        return output

    def compile(self) -> None:
        """Generate Prisma's client, and compile the application."""
        code, output = self.prisma("postgresql://unused", "generate")
        assert code == 0, output
        options = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext")
        for arguments in (("--project", "."), (*options, "prisma.config.ts")):
            code, output = self._run(("typescript", "bin", "tsc"), arguments, dict(os.environ))
            assert code == 0, output

    def _run(
        self, script: tuple[str, ...], arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> tuple[int, str]:
        done = subprocess.run(
            [self.node, self.folder.joinpath("node_modules", *script), *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout


def _read(terminal: int) -> str:
    """Return everything that is written to a terminal."""
    output = b""
    try:
        while part := os.read(terminal, 65_536):
            output += part
    except OSError:  # Linux reports the end so
        pass
    return output.decode()

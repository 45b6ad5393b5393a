"""What a stack consists of, as kept in its state.json: enough to end it and to change it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.emulator import Emulator
from local.postgres import Postgres
from tooling import SetupError


@dataclass
class State:
    """The parts of a stack that were started."""

    postgres: Postgres | None = None
    emulator: Emulator | None = None
    studio_port: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    applied: str = ""  # fingerprint of the package and the Terraform files that are in place
    owner: tuple[int, float] | None = None  # the foreground process it must not outlive

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read a state file; None when there is none or it is damaged."""
        try:
            kept = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if server := kept["postgres"]:
            programs, directory, *rest = server
            kept["postgres"] = Postgres(Path(programs), Path(directory), *rest)
        if aws := kept["emulator"]:
            kept["emulator"] = Emulator(*aws)
        return cls(**kept)

    def save(self, path: Path) -> None:
        """Write the state, which holds secrets, for our eyes only."""
        write_private(path, json.dumps(self.__dict__, default=str, indent=2))

    def servers(self) -> tuple[Postgres, Emulator]:
        """Return both servers; raises SetupError when one was never started."""
        if self.postgres is None or self.emulator is None:
            raise SetupError("The stack is not up: run `make up` first.")
        return self.postgres, self.emulator

    def abandoned(self) -> bool:
        """Whether the process that it belonged to has exited."""
        if self.owner is None:
            return False
        pid, created = self.owner
        try:
            return psutil.Process(pid).create_time() != created
        except psutil.NoSuchProcess:
            return True


def write_private(path: Path, text: str) -> None:
    """Write `text` atomically to a file that only we can read."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)

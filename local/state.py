"""The state.json file of a stack, with the data needed to stop or update the stack."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.emulator import Emulator
from local.given_database import GivenDatabase
from local.ports import Ports
from local.postgres import Postgres
from tooling import SetupError

_saving = threading.Lock()  # parts of a stack start in threads


@dataclass
class State:
    """The parts of a stack that were started."""

    postgres: Postgres | None = None  # the stack's own server
    given: GivenDatabase | None = None  # the developer's database, in its place
    emulator: Emulator | None = None
    ports: Ports = field(default_factory=lambda: Ports(0, 0, 0))
    api_ids: dict[str, str] = field(default_factory=dict)
    database_password: str = ""
    origins: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    applied: str = ""  # fingerprint of the applied package and Terraform files
    provider_apis: dict[str, str] = field(default_factory=dict)
    owner: tuple[int, float] | None = None  # the foreground process that owns the stack

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read a state file; return None if it is missing or damaged."""
        try:
            kept = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        known = cls().__dict__.keys()
        kept = {name: value for name, value in kept.items() if name in known}
        kept["ports"] = Ports(*kept.get("ports", (0, 0, 0)))
        if given := kept.get("given"):
            kept["given"] = GivenDatabase(*given)
        if server := kept["postgres"]:
            programs, directory, *rest = server
            kept["postgres"] = Postgres(Path(programs), Path(directory), *rest)
        if aws := kept["emulator"]:
            kept["emulator"] = Emulator(*aws)
        return cls(**kept)

    def save(self, path: Path) -> None:
        """Write the state to a file that only we can read, because it includes secrets."""
        with _saving:
            write_private(path, json.dumps(self.__dict__, default=str, indent=2))

    @property
    def database(self) -> Postgres | GivenDatabase | None:
        """Return the developer's database, or the stack's own server; None before it is started."""
        return self.given or self.postgres

    def servers(self) -> tuple[Postgres | GivenDatabase, Emulator]:
        """Return both servers; raises SetupError if one was never started."""
        if self.database is None or self.emulator is None:
            raise SetupError("The stack is not up: run `make up` first.")
        return self.database, self.emulator

    def abandoned(self) -> bool:
        """Whether the stack belongs to a process that has exited."""
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

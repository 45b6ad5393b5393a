"""The life of one stack on this machine: all parts up and wired, or nothing of it left.

A stack is a directory. Its `state.json` says what was started, its `stack.env` is there exactly
while it is ready for use, its lock is held by whoever changes it. Emulator and database keep
nothing, so a stack that lost a part is ended and begun anew.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from local import emulator, infrastructure, postgres, processes
from local.emulator import Emulator, answers
from local.ports import reserve_port
from local.postgres import Postgres
from tooling import BUILD, ROOT, SetupError, environments, package, terraform
from tooling.progress import Step

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

DEFAULT = BUILD / "local"
STAGE = "local"
ISSUER = "herald-studio"
AUDIENCE = "herald"
COPIES = 4  # of deliver at once: more than a laptop has cores for only make the batches smaller


@dataclass
class State:
    """What was started, as kept in state.json; enough to end it and to change it."""

    postgres: Postgres | None = None
    emulator: Emulator | None = None
    studio_port: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    applied: str = ""  # fingerprint of the package and the Terraform files that are in place
    owner: tuple[int, float] | None = None  # the foreground process it shall not outlive

    @classmethod
    def load(cls, path: Path) -> State | None:
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
        write_private(path, json.dumps(self.__dict__, default=str, indent=2))

    def servers(self) -> tuple[Postgres, Emulator]:
        """Both servers; raises SetupError when one was never started."""
        if self.postgres is None or self.emulator is None:
            raise SetupError("The stack is not up: run `make up` first.")
        return self.postgres, self.emulator

    def abandoned(self) -> bool:
        """Whether the process that it belonged to is gone."""
        if self.owner is None:
            return False
        pid, created = self.owner
        try:
            return psutil.Process(pid).create_time() != created
        except psutil.NoSuchProcess:
            return True


class Stack:
    """One stack, in `directory`; `settings` go to the emulator, `variables` to Terraform."""

    def __init__(
        self,
        directory: Path = DEFAULT,
        *,
        settings: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self._settings = settings or {}
        self._variables = variables or {}
        self._state_file = self.directory / "state.json"

    @property
    def env_file(self) -> Path:
        return self.directory / "stack.env"

    @property
    def postgres(self) -> Postgres:
        """The running stack's database server, to stop and start it."""
        return (State.load(self._state_file) or State()).servers()[0]

    def environment(self) -> dict[str, str]:
        """The addresses and secrets of the running stack; raises SetupError when it is not up."""
        return read_env(self.env_file)

    def up(self, *, owned: bool = False) -> bool:
        """Bring the stack up, or up to date; return whether it had to be started.

        With `owned` the next `up` ends it when this process is gone by then. Whatever goes wrong,
        Ctrl-C included, nothing is left running.
        """
        with self._locked():
            state = State.load(self._state_file)
            if state and self._healthy(state) and not state.abandoned():
                self._update(state)
                return False
            self._end(state)
            state = State()
            if owned:
                state.owner = (os.getpid(), psutil.Process().create_time())
            try:
                self._start(state)
            except BaseException:
                self._end(State.load(self._state_file))
                raise
            return True

    def down(self) -> int:
        """End the stack and delete its data; return how many processes there were."""
        if not self.directory.exists():
            return 0
        with self._locked():
            return self._end(State.load(self._state_file))

    def healthy(self) -> bool:
        state = State.load(self._state_file)
        return state is not None and self._healthy(state)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Waiting for another command on this stack to finish …", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _healthy(self, state: State) -> bool:
        return bool(
            self.env_file.exists()
            and state.postgres
            and state.postgres.running()
            and state.emulator
            and state.emulator.healthy()
            and answers(f"{studio_url(state.studio_port)}/healthz")
        )

    def _start(self, state: State) -> None:
        shutil.rmtree(self.directory / "logs", ignore_errors=True)
        (self.directory / "logs").mkdir()
        environments.ensure("emulator")
        terraform.find_terraform()
        archive = package.build()
        with reserve_port() as studio_socket:
            state.studio_port = studio_socket.getsockname()[1]
            webhook_key = base64.b64encode(secrets.token_bytes(32)).decode()
            state.secrets = {
                "HERALD_WEBHOOK_SECRET": f"whsec_{webhook_key}",
                "HERALD_JWT_SECRET": secrets.token_urlsafe(48),
            }
            self._start_postgres(state)
            with Step("AWS emulator") as step:
                state.emulator = emulator.start(self.directory, self._settings)
                state.save(self._state_file)
                step.done(state.emulator.url)
            self._apply(state, archive)
            self._start_studio(state, studio_socket)

    def _start_postgres(self, state: State) -> None:
        with Step("PostgreSQL") as step:
            # Written down before it is started: it is found even when this process is killed.
            state.postgres = postgres.plan()
            state.save(self._state_file)
            state.postgres.initialise()
            migrate(state.postgres.dsn(), self.directory / "logs" / "migrate.log")
            step.done(f"127.0.0.1:{state.postgres.port}, migrated")

    def _start_studio(self, state: State, reservation: socket.socket) -> None:
        with Step("Studio") as step:
            url = studio_url(state.studio_port)
            settings = {
                **self._environment(state),
                "HERALD_STUDIO_IMAGES": str(self.directory / "images"),
            }
            environment = processes.clean_environment(self.directory, settings)
            log = self.directory / "logs" / "studio.log"
            command = [sys.executable, "-m", "uvicorn", "local.studio.app:app", "--no-access-log"]
            command += ["--host", "127.0.0.1", "--port", str(state.studio_port)]
            reservation.close()
            process = processes.start(command, environment=environment, directory=ROOT, log=log)
            healthy = partial(answers, f"{url}/healthz")
            processes.await_ready(process, healthy, name="studio", log=log)
            step.done(url)
        self._write_env(state)

    def _update(self, state: State) -> None:
        """Apply the package and the Terraform files again where they changed."""
        archive = package.build()
        if state.applied == self._fingerprint(archive):
            return
        self._apply(state, archive)
        self._write_env(state)

    def _apply(self, state: State, archive: str) -> None:
        database, aws = state.servers()
        origins = [studio_url(state.studio_port), f"http://localhost:{state.studio_port}"]
        infrastructure.apply(
            self.directory,
            aws,
            {
                "stage": STAGE,
                "jwt_issuer": ISSUER,
                "jwt_audience": AUDIENCE,
                "allowed_origins": origins,
                "deliver_maximum_concurrency": COPIES,
                **self._variables,
            },
            {
                "database": database.dsn(),
                "webhook": state.secrets["HERALD_WEBHOOK_SECRET"],
                "jwt": state.secrets["HERALD_JWT_SECRET"],
            },
        )
        state.applied = self._fingerprint(archive)
        state.save(self._state_file)

    def _fingerprint(self, archive: str) -> str:
        return f"{archive} {infrastructure.fingerprint()}"

    def _environment(self, state: State) -> dict[str, str]:
        database, aws = state.servers()
        return {
            "HERALD_STAGE": STAGE,
            "HERALD_DATABASE_URL": database.dsn(),
            "HERALD_STUDIO_URL": studio_url(state.studio_port),
            "HERALD_JWT_ISSUER": ISSUER,
            "HERALD_JWT_AUDIENCE": AUDIENCE,
            **state.secrets,
            **infrastructure.addresses(self.directory),
            **aws.aws_environment(),
        }

    def _write_env(self, state: State) -> None:
        lines = [f"{name}={value}\n" for name, value in sorted(self._environment(state).items())]
        write_private(self.env_file, "".join(lines))

    def _end(self, state: State | None) -> int:
        """End what is left of the stack, whoever started it."""
        self.env_file.unlink(missing_ok=True)
        ended = processes.end(self.directory)
        if state and state.postgres:
            ended += state.postgres.running()
            state.postgres.remove()
        infrastructure.forget(self.directory)
        for name in ("tmp", "images"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self._state_file.unlink(missing_ok=True)
        return ended


def studio_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def migrate(dsn: str, log: Path) -> None:
    """Bring a database to the current schema; raises SetupError with alembic's words."""
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", "head"]
    environment = {**os.environ, "HERALD_DATABASE_URL": dsn}
    with log.open("a") as output:
        code = subprocess.call(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    if code != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"The migrations failed. The end of {log}:\n{end}")


def read_env(path: Path) -> dict[str, str]:
    """The KEY=value lines of a stack.env; raises SetupError when there is none."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise SetupError("The stack is not up: run `make up` first.") from None
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write_private(path: Path, text: str) -> None:
    """Write `text` atomically to a file that only we can read."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)

"""Starts, updates and stops one local stack. Either all parts are running, or none is.

Each stack has a directory. The file `state.json` records the parts that were started. The file
`stack.env` exists only while the stack is ready for use. Commands that change the stack hold the
file `lock`. The emulator and the database lose their data when they stop, so a stack with a missing
part is deleted and started again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from local import emulator, infrastructure, planning, postgres, processes
from local.choices import Choices
from local.emulator import answers
from local.ports import reserve_port
from local.state import State, write_private
from tooling import ROOT, SetupError, environments, migrations, package, stack_env, terraform
from tooling.progress import Step
from tooling.providers import keys

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.emulator import Emulator
    from local.given_database import GivenDatabase
    from local.postgres import Postgres

STAGE = "local"
ISSUER = "herald-studio"
AUDIENCE = "herald"
# concurrent instances of deliver; with more instances than cores, batches would only be smaller
COPIES = 4


class Stack:
    """A stack in `directory`; `settings` are passed to the emulator, `variables` to Terraform."""

    def __init__(
        self,
        directory: Path = stack_env.STACK,
        choices: Choices = Choices(),  # noqa: B008 - immutable
        *,
        settings: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self._choices = choices
        self._settings = settings or {}
        self._variables = dict(variables or {})
        self._state_file = self.directory / "state.json"
        self._kept_file = self.directory / "kept.json"
        self._provider_keys = self.directory / "provider-keys.json"

    @property
    def env_file(self) -> Path:
        return self.directory / "stack.env"

    @property
    def postgres(self) -> Postgres:
        """Return the running stack's own database server, which callers can stop and start."""
        server = (State.load(self._state_file) or State()).postgres
        if server is None:
            raise SetupError("The stack has no PostgreSQL of its own: run `make up` first.")
        return server

    def environment(self) -> dict[str, str]:
        """Return the addresses and secrets of the running stack; raises SetupError if it is not
        running.
        """
        return stack_env.read(self.env_file)

    def up(self, *, owned: bool = False) -> bool:
        """Start the stack, or update it if it is running; return whether it was started.

        With `owned`, the stack belongs to this process, and the next `up` replaces the stack if the
        process has exited. If starting fails or is interrupted, all parts are stopped.
        """
        with self._locked():
            state = State.load(self._state_file)
            if state and self._healthy(state) and not state.abandoned():
                self._update(state)
                return False
            self._stop(state)
            state, provider_keys = planning.plan(self._choices, self._kept_file)
            write_private(self._provider_keys, json.dumps(provider_keys, indent=2))
            if owned:
                state.owner = (os.getpid(), psutil.Process().create_time())
            try:
                self._start(state)
            except BaseException:
                self._stop(State.load(self._state_file))
                raise
            return True

    def down(self) -> tuple[int, str]:
        """Stop the stack and delete its data. The developer's own database is not touched.

        Returns the number of stopped processes, and a sentence about what is left, or "".
        """
        if not self.directory.exists():
            return 0, ""
        with self._locked():
            state = State.load(self._state_file)
            left = state.given.left() if state and state.given else ""
            return self._stop(state), left

    def healthy(self) -> bool:
        """Whether every part of the stack answers."""
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
            and self._provider_keys.exists()
            and state.database
            and state.database.running()
            and state.emulator
            and state.emulator.healthy()
            and answers(f"{state.ports.studio_url}/healthz")
        )

    def _start(self, state: State) -> None:
        shutil.rmtree(self.directory / "logs", ignore_errors=True)
        (self.directory / "logs").mkdir()
        environments.ensure("emulator")
        terraform.find_terraform()
        with reserve_port(state.ports.studio) as studio_socket:
            with ThreadPoolExecutor() as pool:
                servers = [
                    pool.submit(self._start_database, state),
                    pool.submit(self._start_emulator, state),
                ]
                archive = package.build()
                for server in servers:
                    server.result()
            self._apply(state, archive)
            self._start_studio(state, studio_socket)

    def _start_emulator(self, state: State) -> None:
        with Step("AWS emulator") as step:
            state.emulator = emulator.start(self.directory, self._settings, state.ports.aws)
            state.save(self._state_file)
            step.done(state.emulator.url)
        self._prepare(state, state.emulator)

    def _prepare(self, state: State, aws: Emulator) -> None:
        infrastructure.prepare(self.directory, aws, STAGE, state.api_ids, state.provider_apis)

    def _start_database(self, state: State) -> None:
        with Step("PostgreSQL") as step:
            database: Postgres | GivenDatabase
            if state.given:
                database = state.given
            else:
                # The state is saved before the server starts, so that the server is found even if
                # this process is killed.
                database = state.postgres = postgres.plan(
                    state.ports.database, state.database_password
                )
                state.save(self._state_file)
                database.initialise()
            migrations.upgrade(database.dsn())
            step.done(f"{migrations.place(database.dsn())}, migrated")

    def _start_studio(self, state: State, reservation: socket.socket) -> None:
        with Step("Studio") as step:
            url = state.ports.studio_url
            settings = {
                **self._environment(state),
                "HERALD_STUDIO_IMAGES": str(self.directory / "images"),
            }
            environment = processes.clean_environment(self.directory, settings)
            log = self.directory / "logs" / "studio.log"
            command = [sys.executable, "-m", "uvicorn", "local.studio.app:app", "--no-access-log"]
            command += ["--host", "127.0.0.1", "--port", str(state.ports.studio)]
            reservation.close()
            process = processes.start(command, environment=environment, directory=ROOT, log=log)
            healthy = partial(answers, f"{url}/healthz")
            processes.await_ready(process, healthy, name="studio", log=log)
            step.done(url)
        self._write_env(state)

    def _update(self, state: State) -> None:
        """Apply the package and the Terraform files again if they have changed."""
        planning.refuse_to_move(state, self._choices)
        archive = package.build()
        if self._choices.provider_apis is not None:
            state.provider_apis = dict(self._choices.provider_apis)
        if self._choices.origins is not None:
            state.origins = list(self._choices.origins)
        if state.applied == self._fingerprint(archive, state):
            return
        database, aws = state.servers()
        migrations.upgrade(database.dsn())
        self._prepare(state, aws)
        self._apply(state, archive)
        self._write_env(state)

    def _apply(self, state: State, archive: str) -> None:
        database, aws = state.servers()
        studio = [state.ports.studio_url, f"http://localhost:{state.ports.studio}"]
        hosts = ",".join([urlsplit(studio[0]).netloc, *self._choices.fetch_hosts])
        given = {"HERALD_FETCH_HOSTS": hosts, **self._variables.get("extra_environment", {})}
        infrastructure.apply(
            self.directory,
            aws,
            {
                "stage": STAGE,
                "jwt_issuer": ISSUER,
                "jwt_audience": AUDIENCE,
                "allowed_origins": [*studio, *state.origins],
                "deliver_maximum_concurrency": COPIES,
                "keep_outputs": True,
                **self._variables,
                "extra_environment": given,
            },
            {
                "database": database.dsn(),
                "providers": self._providers_secret(state),
                "webhook": state.secrets["HERALD_WEBHOOK_SECRET"],
                "jwt": state.secrets["HERALD_JWT_SECRET"],
                "outputs": json.dumps({"keys": [state.secrets["HERALD_OUTPUTS_KEY"]]}),
            },
        )
        state.applied = self._fingerprint(archive, state)
        state.save(self._state_file)

    def _providers_secret(self, state: State) -> str:
        """Return the secret that verifies the providers, with the keys of those APIs that have a
        stand-in. Herald's own payload is verified with the webhook secret.
        """
        found = json.loads(self._provider_keys.read_text())
        own = {name: each for name, each in found.items() if name != "generations"}
        return keys.secret(own, state.provider_apis)

    def _fingerprint(self, archive: str, state: State) -> str:
        chosen = [self._choices.fetch_hosts, state.provider_apis, state.origins]
        return f"{archive} {infrastructure.fingerprint()} {json.dumps(chosen)}"

    def _environment(self, state: State) -> dict[str, str]:
        database, aws = state.servers()
        return {
            "HERALD_STAGE": STAGE,
            "HERALD_DATABASE_URL": database.dsn(),
            "HERALD_PROVIDER_KEYS": str(self._provider_keys),
            "HERALD_STUDIO_URL": state.ports.studio_url,
            "HERALD_JWT_ISSUER": ISSUER,
            "HERALD_JWT_AUDIENCE": AUDIENCE,
            **state.secrets,
            **infrastructure.addresses(self.directory),
            **aws.aws_environment(),
        }

    def _write_env(self, state: State) -> None:
        lines = [f"{name}={value}\n" for name, value in sorted(self._environment(state).items())]
        write_private(self.env_file, "".join(lines))

    def _stop(self, state: State | None) -> int:
        """Stop all running parts of the stack, even if another process started them.

        Returns the number of stopped processes.
        """
        self.env_file.unlink(missing_ok=True)
        stopped = processes.stop(self.directory)
        if state and state.postgres:
            stopped += state.postgres.running()
            state.postgres.remove()
        infrastructure.forget(self.directory)
        for name in ("tmp", "images"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self._provider_keys.unlink(missing_ok=True)
        self._state_file.unlink(missing_ok=True)
        return stopped

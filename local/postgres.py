"""A temporary PostgreSQL server, started with the PostgreSQL programs of this machine.

It can be started by root or by another user.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from local.ports import free_port
from tooling import SetupError, environments, logs

# The data is deleted with the stack, so durability is off and little memory is used. There is no
# Unix socket, because its path could exceed the length limit in a deep checkout.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "log_min_duration_statement": "1000",
}


class Postgres(NamedTuple):
    """A server: its programs, its data directory and its connection settings."""

    programs: Path
    directory: Path
    port: int
    password: str
    user: str = "postgres"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def dsn(self, database: str = "herald") -> str:
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Create the data directory, start the server and create the database `herald`."""
        password_file = self._write_password()
        if identity := _identity():
            # From here on, the user `nobody` can create files and links in this directory. As root
            # we must not write to it any more.
            os.chown(self.directory, identity["user"], identity["group"])
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", "-U", self.user, "--pwfile", str(password_file), *options)
        self.start()
        _create_database(self)

    def _write_password(self) -> Path:
        """Write the password file for initdb, which only the server's user can read; raises
        SetupError.
        """
        path = self.directory / "password"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            raise SetupError(f"{path} exists: another program writes to this directory.") from None
        with os.fdopen(descriptor, "w") as file:
            if identity := _identity():
                os.fchown(descriptor, identity["user"], identity["group"])
            file.write(self.password)
        return path

    def start(self) -> None:
        """Start the server and wait until it answers; raises SetupError with the end of its log."""
        settings = {**_SETTINGS, "port": str(self.port)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "-w", "-t", "30", "-l", str(self.log), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs. The mode `immediate` simulates a crash, because nothing is
        flushed.
        """
        if self.running():
            self._run("pg_ctl", "-w", "-t", "30", "-m", mode, "stop")

    def running(self) -> bool:
        # pg_ctl runs as the server's user, who may have no access to the directory before there is
        # data, so it is not called then.
        return self._has_data() and self._call("pg_ctl", "status").returncode == 0

    def remove(self) -> None:
        """Stop the server in any state and delete its data."""
        if not self.directory.is_dir():
            return
        if self._has_data():
            self._call("pg_ctl", "-w", "-m", "immediate", "stop")
        # pg_ctl does not stop a server process that is left over from an interrupted initdb.
        left = [process for process in psutil.process_iter() if self._works_here(process)]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=5)
        shutil.rmtree(self.directory)

    def _has_data(self) -> bool:
        return (self.directory / "data").is_dir()

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()).is_relative_to(self.directory)
        except psutil.Error:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        result = self._call(program, *arguments)
        if result.returncode != 0:
            said = logs.last_lines(result.stdout + self._read_log())
            raise SetupError(f"PostgreSQL: {program} {arguments[-1]} failed.\n{said}")

    def _read_log(self) -> str:
        try:
            descriptor = os.open(self.log, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # the log does not exist yet, or it is a symbolic link
            return ""
        with os.fdopen(descriptor, errors="replace") as file:
            return file.read()

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / program), "-D", str(self.directory / "data"), *arguments]
        # A file is used instead of a pipe, because the server would inherit the pipe and keep it
        # open.
        with tempfile.TemporaryFile("w+") as output:
            code = subprocess.call(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_identity(),
            )
            output.seek(0)
            return subprocess.CompletedProcess(command, code, stdout=output.read())


def plan(port: int = 0, password: str = "") -> Postgres:
    """Choose the programs and the directory of a new server, without starting it. The port and the
    password are drawn unless they are given.
    """
    # The data is in the temporary directory, because the server's user may have no access to root's
    # home directory.
    directory = Path(tempfile.mkdtemp(prefix="herald-pg-"))
    programs = _usable(find_programs(), directory)
    return Postgres(programs, directory, port or free_port(), password or secrets.token_hex(16))


def create() -> Postgres:
    """Create and start a new server. On failure, all its files are deleted; raises SetupError."""
    server = plan()
    try:
        server.initialise()
    except BaseException:
        server.remove()
        raise
    return server


def find_programs() -> Path:
    """Return the directory of initdb and pg_ctl: PG_BIN, else an installed PostgreSQL, else the
    wheel's.
    """
    if named := os.environ.get("PG_BIN"):
        if _complete(Path(named)):
            return Path(named)
        raise SetupError(f"PG_BIN={named} has no initdb, pg_ctl and postgres.")
    patterns = ["usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"]
    patterns += ["opt/homebrew/opt/postgresql*/bin", "usr/local/opt/postgresql*/bin"]
    found = [match for pattern in patterns for match in Path("/").glob(pattern)]
    found.sort(key=_version, reverse=True)
    if config := shutil.which("pg_config"):
        bindir = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        found.insert(0, Path(bindir.stdout.strip()))
    found += [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    for candidate in found:
        if _complete(candidate):
            return candidate
    return _wheel()


def _complete(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres"))


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _wheel() -> Path:
    python = environments.ensure("postgres")
    found = sorted(python.parent.parent.glob("lib/python*/site-packages/*/pginstall*/**/initdb"))
    if not found:
        raise SetupError("No PostgreSQL found: install it, or set PG_BIN to its bin directory.")
    return found[-1].parent


def _identity() -> dict[str, Any]:
    """Return arguments for Popen to run as the user `nobody` if we are root.

    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _usable(programs: Path, directory: Path) -> Path:
    """Return the directory of the programs. If the user `nobody` cannot run them, they are copied
    next to the data first.
    """
    identity = _identity()
    if not identity:
        return programs
    probe = [str(programs / "initdb"), "--version"]
    try:
        subprocess.run(probe, check=True, capture_output=True, **identity)
    except (PermissionError, subprocess.CalledProcessError):
        copy = directory / "pginstall"
        shutil.copytree(programs.parent, copy, symlinks=True)
        return copy / programs.name
    return programs


def _create_database(server: Postgres) -> None:
    import psycopg2

    connection = psycopg2.connect(server.dsn("postgres"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE herald")
    finally:
        connection.close()

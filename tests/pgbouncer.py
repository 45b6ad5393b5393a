"""PgBouncer in front of a test's PostgreSQL, in transaction mode, with no other special setting."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from local.ports import free_port
from local.processes import await_ready
from tooling import environments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Postgres

_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server.port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
"""


@contextmanager
def in_front_of(server: Postgres) -> Iterator[Postgres]:
    """Run a PgBouncer; yield the PostgreSQL server as clients reach it through PgBouncer."""
    program = environments.ensure_program("pgbouncer", environments.find_pgbouncer)
    pooled = server._replace(port=free_port())
    with tempfile.TemporaryDirectory(prefix="herald-pgbouncer-") as name:
        directory = Path(name)
        settings, users, log = (directory / file for file in ("settings", "users", "log"))
        users.write_text(f'"{server.user}" "{server.password}"\n')
        settings.write_text(_SETTINGS.format(server=server, port=pooled.port, users=users))
        command = [str(program), str(settings)]
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            command[1:1] = ["-u", "nobody"]
            for path in (directory, settings, users):
                shutil.chown(path, "nobody")
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            await_ready(process, lambda: _answers(pooled), name="PgBouncer", log=log)
            yield pooled
        finally:
            process.terminate()
            process.wait(timeout=10)


def _answers(pooled: Postgres) -> bool:
    try:
        psycopg2.connect(pooled.dsn("postgres")).close()
    except psycopg2.OperationalError:
        return False
    return True

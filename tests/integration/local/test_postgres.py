"""The PostgreSQL launcher, started by root, while another user can write to the same directory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from local import postgres
from tooling import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.postgres import Postgres

pytestmark = pytest.mark.integration


@pytest.fixture
def planned() -> Iterator[Postgres]:
    """A planned server. Its directory exists, but nothing is started."""
    server = postgres.plan()
    yield server
    server.remove()
    assert not server.directory.exists()


def test_a_planted_link_is_not_followed(planned: Postgres, tmp_path: Path) -> None:
    # Given a symbolic link of another user at the path of the password file
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    before = victim.stat()
    (planned.directory / "password").symlink_to(victim)
    # When the server is created, then this fails and the target of the link is unchanged
    with pytest.raises(SetupError, match="another program"):
        planned.initialise()
    assert victim.read_text() == "theirs"
    assert (victim.stat().st_uid, victim.stat().st_mode) == (before.st_uid, before.st_mode)


def test_a_link_to_nothing_is_not_followed(planned: Postgres, tmp_path: Path) -> None:
    (planned.directory / "password").symlink_to(tmp_path / "new")
    with pytest.raises(SetupError, match="another program"):
        planned.initialise()
    assert not (tmp_path / "new").exists()


def test_nobody_else_may_enter_before_the_password_is_written(planned: Postgres) -> None:
    found = planned.directory.stat()
    assert found.st_uid == os.geteuid()
    assert stat.S_IMODE(found.st_mode) == 0o700


def test_the_password_file_is_its_readers_alone(planned: Postgres) -> None:
    planned.initialise()
    assert planned.running()
    found = (planned.directory / "password").stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == planned.directory.stat().st_uid


def test_a_log_that_is_a_link_is_not_read(planned: Postgres, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("only for root")
    planned.log.symlink_to(victim)
    with pytest.raises(SetupError) as failed:
        planned.start()
    assert "only for root" not in str(failed.value)

"""The files of a stack: its state and its stack.env."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from local.emulator import Emulator
from local.postgres import Postgres
from local.stack import Stack
from local.state import State, write_private
from tooling import SetupError, stack_env

SERVER = Postgres(Path("/usr/bin"), Path("/data"), 5432, "secret")


def test_state_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state = State(postgres=SERVER, emulator=Emulator(4566, "key", "secret"), applied="x")
    state.save(tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == state


def test_a_missing_or_damaged_state_is_none(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert State.load(file) is None
    file.write_text('{"postgres": ')
    assert State.load(file) is None


def test_a_stack_in_the_background_is_never_abandoned() -> None:
    assert not State(owner=None).abandoned()


def test_a_stack_is_abandoned_when_its_process_has_exited() -> None:
    created = psutil.Process().create_time()
    assert not State(owner=(os.getpid(), created)).abandoned()
    # The process id was reused.
    assert State(owner=(os.getpid(), created - 60)).abandoned()


def test_only_we_can_read_private_files(tmp_path: Path) -> None:
    file = tmp_path / "stack.env"
    write_private(file, "A=1\n")
    write_private(file, "A=2\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert stack_env.read(file) == {"A": "2"}


def test_values_may_contain_equals_signs(tmp_path: Path) -> None:
    file = tmp_path / "stack.env"
    write_private(file, "HERALD_WEBHOOK_SECRET=whsec_YQ==\n")
    assert stack_env.read(file) == {"HERALD_WEBHOOK_SECRET": "whsec_YQ=="}


def test_a_stack_that_is_not_up_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="make up"):
        Stack(tmp_path).environment()
    with pytest.raises(SetupError, match="make up"):
        _ = Stack(tmp_path).postgres


def test_a_stack_that_was_never_started_goes_down_quietly(tmp_path: Path) -> None:
    assert Stack(tmp_path / "nowhere").down() == (0, "")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("missing", [None, "stack.env", "provider-keys.json"])
def test_a_stack_with_a_missing_file_is_not_healthy(
    missing: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stack.env", "provider-keys.json"):
        if name != missing:
            write_private(tmp_path / name, "")
    State(postgres=SERVER, emulator=Emulator(4566, "key", "secret")).save(tmp_path / "state.json")
    monkeypatch.setattr(Postgres, "running", lambda _: True)
    monkeypatch.setattr(Emulator, "healthy", lambda _: True)
    monkeypatch.setattr("local.stack.answers", lambda _: True)
    assert Stack(tmp_path).healthy() == (missing is None)

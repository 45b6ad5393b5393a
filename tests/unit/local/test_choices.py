"""The options of `make up`, and what is kept from one start to the next."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from local import given_database, planning
from local.choices import Choices, read_fetch_hosts, read_origins
from local.kept import Kept
from local.ports import Ports
from local.state import State
from tooling import SetupError

if TYPE_CHECKING:
    from pathlib import Path

PORTS = Ports(8400, 8401, 8402)


def test_origins_are_normalized_and_named_once() -> None:
    assert read_origins("http://LOCALHOST:5173, http://localhost:5173,https://a.example:443") == (
        "http://localhost:5173",
        "https://a.example",
    )


def test_without_origins_those_of_the_running_stack_are_kept() -> None:
    assert read_origins(None) is None
    assert read_origins("") == ()


@pytest.mark.parametrize("text", ["localhost:5173", "http://localhost:5173/", "http://*", "ws://a"])
def test_a_malformed_origin_is_named(text: str) -> None:
    with pytest.raises(SetupError, match=r"ORIGINS: .* is not an origin") as failed:
        read_origins(f"http://localhost:3000,{text}")
    assert repr(text) in str(failed.value)


def test_a_malformed_host_is_named() -> None:
    with pytest.raises(SetupError, match="FETCH_HOSTS: 'localhost' is not"):
        read_fetch_hosts("127.0.0.1:8081,localhost")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "DATABASE: The DSN cannot be parsed"),
        ("postgresql://me:pw@127.0.0.1:5432", "names no database"),
        ('{"host": "h"}', "not JSON"),
        ("postgresql://me:pass@word@127.0.0.1/app", "%40"),
    ],
)
def test_a_malformed_dsn_is_refused_without_being_quoted(text: str, says: str) -> None:
    with pytest.raises(SetupError, match=says) as failed:
        given_database.read(text)
    assert "pw" not in str(failed.value)


def test_secrets_and_ports_stay_the_same_in_a_file_of_our_own(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    drawn = Kept.load(file)
    drawn.ports = PORTS
    drawn.save(file)
    assert Kept.load(file) == drawn
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_stacks_share_no_secret(tmp_path: Path) -> None:
    one, other = Kept.load(tmp_path / "a"), Kept.load(tmp_path / "b")
    assert one.jwt_secret != other.jwt_secret
    assert one.webhook_secret != other.webhook_secret
    assert not set(one.api_ids.values()) & set(other.api_ids.values())


def test_providers_of_a_later_version_get_keys(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    drawn = Kept.load(file)
    drawn.save(file)
    older = json.loads(file.read_text())
    del older["provider_keys"]["fal"]
    file.write_text(json.dumps(older))
    found = Kept.load(file)
    assert found.provider_keys["replicate"] == drawn.provider_keys["replicate"]
    assert found.provider_keys["fal"]["private_key"]


@pytest.mark.parametrize("text", ["{", "[]", '{"ports": [1]}'])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kept.json"
    file.write_text(text)
    with pytest.raises(SetupError, match=r"kept\.json is damaged. Delete it"):
        Kept.load(file)


def test_a_running_stack_is_not_moved() -> None:
    database = given_database.read("postgresql://me:pw@127.0.0.1:5432/app")
    running = State(ports=PORTS)
    planning.refuse_to_move(running, Choices())
    planning.refuse_to_move(running, Choices(port=8400))
    with pytest.raises(SetupError, match=r"PORT: the stack runs on 8400.*make down"):
        planning.refuse_to_move(running, Choices(port=9000))
    with pytest.raises(SetupError, match=r"DATABASE: .*make down"):
        planning.refuse_to_move(running, Choices(database=database))


def test_a_state_with_a_given_database_is_read_as_it_was_saved(tmp_path: Path) -> None:
    database = given_database.read("postgresql://me:pw@127.0.0.1:5432/app")
    state = State(given=database, ports=PORTS, api_ids={"websocket": "a"}, origins=["http://a"])
    state.save(tmp_path / "state.json")
    assert State.load(tmp_path / "state.json") == state


def test_what_is_left_in_a_given_database_is_said_without_the_password() -> None:
    left = given_database.read("postgresql://me:pw@127.0.0.1:5432/app").left()
    assert "127.0.0.1:5432/app" in left
    assert "DROP SCHEMA herald CASCADE" in left
    assert "pw" not in left

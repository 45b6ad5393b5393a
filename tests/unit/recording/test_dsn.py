"""The forms of the DSN."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidDsn
from chalicelib.recording import dsn

PARTS = {"user": "herald", "password": "p@ss", "host": "db.example", "dbname": "app"}
RDS = {
    "username": "herald",
    "password": "p@ss",
    "host": "db.example",
    "port": 5432,
    "dbname": "app",
    "engine": "postgres",
    "dbInstanceIdentifier": "db-1",
}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("postgresql://herald:p%40ss@db.example/app", {}),
        ("postgres://herald:p%40ss@db.example:5433/app\n", {"port": "5433"}),
        (
            "postgresql://herald:p%40ss@db.example/app?sslmode=require",
            {"sslmode": "require"},
        ),
        (
            "postgresql://herald:p%40ss@db.example/app?options=-c%20search_path%3Dnotify",
            {"options": "-c search_path=notify"},
        ),
        ("host=db.example dbname=app user=herald password=p@ss", {}),
        ("host=db.example dbname=app user=herald password='p@ss' port=1", {"port": "1"}),
        (json.dumps(RDS), {"port": "5432"}),
        (
            json.dumps(RDS | {"port": "1", "sslmode": "verify-full"}),
            {"port": "1", "sslmode": "verify-full"},
        ),
    ],
)
def test_every_form_gives_the_same_parameters(text: str, more: dict[str, str]) -> None:
    assert dsn.parse(text) == PARTS | more


def test_several_hosts_are_one_dsn() -> None:
    text = "postgresql://u:p@h1:5432,h2:6432/app?target_session_attrs=read-write"
    parameters = dsn.parse(text)
    assert (parameters["host"], parameters["port"]) == ("h1,h2", "5432,6432")
    assert parameters["target_session_attrs"] == "read-write"
    assert dsn.place(text) == "h1:5432,h2:6432/app"
    assert dsn.place("postgresql://u:p@h1,h2/app") == "h1,h2/app"
    assert dsn.place("host=h1,h2 port=5432 dbname=app") == "h1:5432,h2:5432/app"


def test_hosts_take_turns_with_their_ports() -> None:
    parameters = dsn.parse("postgresql://u:p@h1:1,h2:2,h3:3/app")
    tried = [dsn.rotated(parameters, turns) for turns in range(4)]
    assert [found["host"] for found in tried] == ["h1,h2,h3", "h2,h3,h1", "h3,h1,h2", "h1,h2,h3"]
    assert [found["port"] for found in tried] == ["1,2,3", "2,3,1", "3,1,2", "1,2,3"]
    one_port = dsn.parse("host=h1,h2 port=5 dbname=d")
    assert dsn.rotated(one_port, 1) == {"host": "h2,h1", "port": "5", "dbname": "d"}
    assert dsn.rotated(PARTS, 1) == PARTS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("mysql://u:hunter2@h/d", "cannot be parsed"),
        ("hunter2", "cannot be parsed"),
        ("postgresql://u:hunter2%@h/d", "%25"),
        ("postgresql://u:p@hunter2@h/d", "%40"),
        ("postgresql://u:hunter2@h:port/d", "port"),
        ("postgresql://u:hunter2@h:70000/d", "port"),
        ("postgresql://u:hunter2@h1:1,h2:2,h3:3/d?port=1,2", "each host"),
        ("postgresql://u:hunter2@h/d?nonsense=1", "cannot be parsed"),
        ("postgresql://u:hunter2\0@h/d", "NUL"),
        ('{"username": "u", "password": "hunter2"}', "lacks host, dbname"),
        ('{"username": "u", "password": "hunter2"', "not valid JSON"),
        (json.dumps(RDS | {"password": ["hunter2"]}), "other than text"),
        (json.dumps(RDS | {"password": "hunter2\0"}), "NUL"),
    ],
)
def test_the_error_of_a_malformed_dsn_does_not_contain_the_password(text: str, says: str) -> None:
    with pytest.raises(InvalidDsn, match=says) as caught:
        dsn.parse(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_place_shows_no_password() -> None:
    assert dsn.place("postgresql://u:hunter2@h:1/d?sslmode=require") == "h:1/d"
    assert dsn.place("postgresql:///d") == "the local socket/d"
    assert dsn.place(json.dumps(RDS)) == "db.example:5432/app"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_password_survives_the_json_form(password: str) -> None:
    assert dsn.parse(json.dumps(RDS | {"password": password}))["password"] == password


@given(st.text())
def test_any_text_is_a_dsn_or_an_invalid_dsn(text: str) -> None:
    try:
        parameters = dsn.parse(text)
    except InvalidDsn:
        return
    assert all(isinstance(value, str) for value in parameters.values())

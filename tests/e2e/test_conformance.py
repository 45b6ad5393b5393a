"""The server's halves of the conformance points: the same exchanges, asked of Herald itself."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from clients.conformance import exchanges, frames
from tests.e2e.conftest import open_herald

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clients.conformance.exchanges import Exchange
    from tests.e2e.conftest import Herald, Tab, User

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def reader(stack_env: Mapping[str, str]) -> Iterator[tuple[User, str]]:
    """A user whose stream has the results of the exchanges, and the stream's epoch."""
    with open_herald(stack_env) as herald:
        user = herald.user()
        tab = user.tab()
        tab.hello()
        for _ in range(exchanges.HEAD):
            user.finished()
        found = tab.events(exchanges.HEAD)
        assert sorted(frame["offset"] for frame in found) == [1, 2, 3]
        yield user, found[0]["epoch"]


@pytest.mark.parametrize("point", exchanges.SERVER_HALVES)
def test_herald_answers_as_in_the_exchange(
    herald: Herald, reader: tuple[User, str], point: str
) -> None:
    user, epoch = reader
    exchange = exchanges.SERVER_HALVES[point]
    tokens = {"fresh": user.token(), "invalid": "no.such.token"}
    tab = herald.open(user.token())
    if exchange.asks["action"] != "hello":
        tab.hello()
    asked = _replaced({**exchange.asks, "id": 7}, {exchange.epoch: epoch, **tokens})
    tab.say(**asked)
    heard = list(itertools.islice(_heard(tab), _count(exchange)))
    expected = [{**frame, "re": 7} if "re" in frame else frame for frame in exchange.answers]
    found = _replaced(heard, {epoch: exchange.epoch})
    assert exchanges.significant(found) == exchanges.significant(expected)
    assert tab.silent(), "Herald answered with more frames"


def _heard(tab: Tab) -> Iterator[dict[str, Any]]:
    """Yield the frames that arrive, with the items of `events` one by one."""
    while True:
        frame = tab.hear()
        yield from frame.get("items", [frame])


def _count(exchange: Exchange) -> int:
    return len(exchanges.significant(list(exchange.answers)))


def _replaced(value: Any, replacements: Mapping[str, str]) -> Any:
    """Return a JSON value with other strings in place of some."""
    text = json.dumps(value)
    for old, new in replacements.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    return json.loads(text)


def test_a_hello_with_an_invalid_cursor_is_an_error_and_the_connection_stays(
    herald: Herald, reader: tuple[User, str]
) -> None:
    """The server's half of C13."""
    tab = herald.open(reader[0].token())
    tab.socket.send(json.dumps({"action": "hello", "id": 7, "resume": {"offset": -1}}))
    [error] = exchanges.significant([tab.hear()])
    assert error == exchanges.significant([frames.error(7, 4012, "bad_frame")])[0]
    assert tab.hello()["stream"]["head"] == exchanges.HEAD


def test_fields_of_a_later_client_are_ignored(herald: Herald, reader: tuple[User, str]) -> None:
    """The server's half of C35."""
    tab = herald.open(reader[0].token())
    later = {"action": "hello", "id": 7, "of_a_later_version": {"more": True}}
    tab.socket.send(json.dumps(later))
    welcome = tab.hear()
    assert (welcome["type"], welcome["re"]) == ("welcome", 7)

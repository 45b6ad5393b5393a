"""Which connections are closed when a user opens too many."""

from chalicelib.sessions.connecting import excess
from chalicelib.store.connections import Connection
from tests.builders import connected


def connections(count: int) -> list[Connection]:
    """The first one is the newest."""
    return [connected("alice", f"c{age}=", age_seconds=age) for age in range(count)]


def ids(found: list[Connection]) -> list[str]:
    return [connection.connection_id for connection in found]


def test_up_to_the_limit_nothing_is_closed() -> None:
    new, *others = connections(3)
    assert excess(new, [*others, new], 3) == []


def test_one_above_the_limit_closes_the_oldest() -> None:
    new, *others = connections(4)
    assert ids(excess(new, [*others, new], 3)) == ["c3="]


def test_a_lowered_limit_closes_the_oldest_first() -> None:
    new, *others = connections(6)
    assert ids(excess(new, [*others, new], 3)) == ["c5=", "c4=", "c3="]


def test_the_new_connection_is_never_closed() -> None:
    *others, oldest = connections(3)
    assert ids(excess(oldest, [*others, oldest], 1)) == ["c1=", "c0="]

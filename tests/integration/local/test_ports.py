"""Ports that are reserved until a server takes them."""

import os
import socket

import pytest

from local import ports
from tooling import SetupError

pytestmark = pytest.mark.integration


def test_a_reserved_port_is_not_given_to_anybody_else() -> None:
    with ports.reserve_port() as reservation:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(reservation.getsockname())
        address = reservation.getsockname()
    with socket.socket() as other:
        other.bind(address)


def taken() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen()
    return listener


def last_of_three_taken() -> socket.socket:
    """Take a port, while nobody listens on the two ports before it."""
    while True:
        listener = taken()
        port = listener.getsockname()[1]
        if not any(ports._taken(before) for before in (port - 2, port - 1)):
            return listener
        listener.close()


def test_a_fixed_port_that_is_taken_names_the_program() -> None:
    with taken() as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            SetupError, match=rf"port {port} is taken by .+ \(process {os.getpid()}\)"
        ):
            ports.fixed(port, database=True)


def test_without_a_server_of_its_own_the_databases_port_may_be_taken() -> None:
    with last_of_three_taken() as listener:
        first = listener.getsockname()[1] - 2
        assert ports.fixed(first, database=False).database == first + 2
        with pytest.raises(SetupError, match=f"the ports {first} to {first + 2}"):
            ports.fixed(first, database=True)


@pytest.mark.parametrize("first", [0, -1, 65534, 70000])
def test_a_port_out_of_range_is_refused(first: int) -> None:
    with pytest.raises(SetupError, match=r"PORT: .* is not a port"):
        ports.fixed(first, database=True)


def test_drawn_ports_are_kept_and_only_taken_ones_are_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = ports.drawn(None)
    assert ports.drawn(before) == before
    with socket.create_server(("127.0.0.1", before.studio)):
        after = ports.drawn(before)
    assert (after.aws, after.database) == (before.aws, before.database)
    assert after.studio != before.studio
    assert f"{before.studio} is taken by" in capsys.readouterr().err

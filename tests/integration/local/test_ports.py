"""Ports that are reserved until a server takes them."""

import socket

import pytest

from local import ports

pytestmark = pytest.mark.integration


def test_a_reserved_port_is_not_given_to_anybody_else() -> None:
    with ports.reserve_port() as reservation:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(reservation.getsockname())
        address = reservation.getsockname()
    with socket.socket() as other:
        other.bind(address)

"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import socket


def reserve_port() -> socket.socket:
    """Bind a free port without listening. The port stays reserved until the socket is closed."""
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    return reservation


def free_port() -> int:
    """Return a port that is free now, for a server that starts immediately."""
    with reserve_port() as reservation:
        port: int = reservation.getsockname()[1]
        return port

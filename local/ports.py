"""TCP ports on the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import NamedTuple

import psutil

from tooling import SetupError


class Ports(NamedTuple):
    """The ports of a stack's addresses. With a fixed first port, they are consecutive."""

    aws: int  # webhooks, WebSockets and AWS's APIs
    studio: int
    database: int

    @property
    def studio_url(self) -> str:
        return f"http://127.0.0.1:{self.studio}"


_LAST_FIRST = 65536 - len(Ports._fields)


def reserve_port(port: int = 0) -> socket.socket:
    """Bind a port, by default a free one, without listening. The port stays reserved until the
    socket is closed; raises OSError if it is taken.
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reservation.bind(("127.0.0.1", port))
    except OSError:
        reservation.close()
        raise
    return reservation


def free_port() -> int:
    """Return a port that is free now, for a server that starts immediately."""
    with reserve_port() as reservation:
        port: int = reservation.getsockname()[1]
        return port


def fixed(first: int, *, database: bool) -> Ports:
    """Return consecutive ports from `first` on. Without `database`, its port may be taken.

    Raises
    ------
    SetupError
        A port is taken. The message names the program that listens on it.
    """
    if not 0 < first <= _LAST_FIRST:
        raise SetupError(f"PORT: {first} is not a port from 1 to {_LAST_FIRST}.")
    ports = Ports(*range(first, first + len(Ports._fields)))
    for name, port in ports._asdict().items():
        if (name != "database" or database) and (reason := _taken(port)):
            raise SetupError(
                f"PORT: {reason}. Herald needs the ports {first} to {ports[-1]}: stop that program,"
                " or choose another first port."
            )
    return ports


def drawn(before: Ports | None) -> Ports:
    """Return the ports of the last start, with a free port in the place of each that is taken."""
    found: list[int] = []
    with contextlib.ExitStack() as reserved:
        for port in before or (0,) * len(Ports._fields):
            try:
                reservation = reserved.enter_context(reserve_port(port))
            except OSError:
                reservation = reserved.enter_context(reserve_port())
                new = reservation.getsockname()[1]
                print(f"{_taken(port)}. The stack uses {new} instead.", file=sys.stderr)
            found.append(reservation.getsockname()[1])
    return Ports(*found)


def _taken(port: int) -> str | None:
    """Return why a port cannot be used, as a clause, or None if it is free."""
    try:
        reserve_port(port).close()
    except PermissionError:
        return f"you may not listen on port {port}"
    except OSError:
        return f"port {port} is taken by {_listener(port) or 'another program'}"
    return None


def _listener(port: int) -> str | None:
    """Return the program that listens on a port, if we are allowed to see it."""
    try:
        for found in psutil.net_connections("tcp"):
            if found.pid and found.status == psutil.CONN_LISTEN and found.laddr[1:] == (port,):
                return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    except psutil.Error:
        return None
    return None

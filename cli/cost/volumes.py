"""The quantities of a month: notifications, connections, and what they cause."""

import math
from typing import NamedTuple

from chalicelib.protocol.server_frames import LIFETIME_MS
from cli.cost.inputs import Inputs
from cli.cost.quantities import CONNECTION_SPREAD, KEEPALIVE, RENEWAL

DAYS = 30
HOURS = 24 * DAYS
MINUTES = 60 * HOURS

# A connection that no reconnect ends is renewed at this age, in minutes, on average.
_RENEWED_AT = (1 - CONNECTION_SPREAD / 2) * LIFETIME_MS / 60_000


class Volumes(NamedTuple):
    """The quantities of a month."""

    notifications: float
    batches: float
    # the users of each batch, summed up; one user's events in a batch share a head, a read, a frame
    users_in_batches: float
    marks: float  # last events of streams that became silent; their heads outlive them
    posts: float
    minutes: float  # minutes of open connections
    connects: float
    keepalives: float  # without function and answer
    pings: float
    auths: float
    replayed: float  # events
    replays: float  # hello frames of clients that had missed events


def volumes(given: Inputs) -> Volumes:
    """Compute the quantities of a month."""
    notifications = given.users * given.notifications
    batches = notifications / given.batch
    users_in_batch = given.users * -math.expm1(given.batch * _log_of_others(given.users))
    posts = batches * users_in_batch * given.connections * given.online
    minutes = given.users * given.connections * given.hours * 60 * DAYS
    connects = minutes / _minutes_of_a_connection(given)
    # A token is renewed while the connection that it opened is still open.
    auths = connects * _still_open(given, given.token_minutes * RENEWAL.at_share)
    keepalives = _silences(minutes, posts + connects + auths)
    replayed = notifications * (1 - given.online) * given.connections
    return Volumes(
        notifications,
        batches,
        batches * users_in_batch,
        notifications * math.exp(-given.notifications / DAYS * given.outbox_days),
        posts,
        minutes,
        connects,
        keepalives * (1 - 1 / KEEPALIVE.ping_every),
        keepalives / KEEPALIVE.ping_every,
        auths,
        replayed,
        min(replayed, connects),
    )


def _minutes_of_a_connection(given: Inputs) -> float:
    """Return the mean minutes until a connection is replaced.

    Reconnects happen at random times, and the new connection is young again. So fewer connections
    reach the age of renewal than without reconnects.
    """
    if not given.reconnects:
        return _RENEWED_AT
    mean = 60 / given.reconnects
    return -mean * math.expm1(-_RENEWED_AT / mean)


def _still_open(given: Inputs, minutes: float) -> float:
    """Return the share of connections that are open after some minutes."""
    return math.exp(-minutes * given.reconnects / 60) if minutes < _RENEWED_AT else 0.0


def _silences(minutes: float, frames: float) -> float:
    """Count the silences that are long enough for a keepalive.

    Every frame of either side begins a new silence, and so does the keepalive itself. With frames
    at random times, a silence reaches T with the probability exp(-rate * T).
    """
    if not minutes:
        return 0.0
    rate = frames / minutes
    return frames / math.expm1(rate * KEEPALIVE.minutes) if rate else minutes / KEEPALIVE.minutes


def _log_of_others(users: float) -> float:
    return math.log1p(-1 / users) if users > 1 else -math.inf

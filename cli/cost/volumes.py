"""The quantities of a month: notifications, connections, and what they cause."""

import math
from collections.abc import Iterator
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
    kept: float  # results whose outputs are kept
    copies: float  # outputs that are copied
    links: float  # links that are followed
    lookups: float


def volumes(given: Inputs) -> Volumes:
    """Compute the quantities of a month."""
    notifications = given.users * given.notifications
    batches = notifications / given.batch
    users_in_batch = given.users * -math.expm1(given.batch * _log_of_others(given.users))
    posts = batches * users_in_batch * given.connections * given.online
    minutes = given.users * given.connections * given.hours * 60 * DAYS
    connects = minutes / _minutes_of_a_connection(given)
    auths = connects * sum(_still_open(given, age) for age in _renewals(given.token_minutes))
    keepalives, pings = _silences(minutes, posts + connects)
    replayed = notifications * (1 - given.online) * given.connections
    kept = notifications if given.keep_outputs else 0.0
    return Volumes(
        notifications,
        batches,
        batches * users_in_batch,
        notifications * math.exp(-given.notifications / DAYS * given.outbox_days),
        posts,
        minutes,
        connects,
        keepalives,
        pings,
        auths,
        replayed,
        min(replayed, connects),
        kept,
        kept * given.outputs,
        kept * given.outputs * given.links_followed,
        notifications * given.looked_up * given.polls,
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


def _renewals(token_minutes: float) -> Iterator[float]:
    """Yield the ages of a connection at which its token is renewed, in minutes.

    A token that outlives the connection is not renewed.
    """
    age = 0.0
    while age + token_minutes <= _RENEWED_AT:
        age += RENEWAL.minutes(token_minutes)
        yield age


def _silences(minutes: float, frames: float) -> tuple[float, float]:
    """Count the keepalives and the pings.

    Opening and events show the head, and so do pings: after each, there is a keepalive and then a
    ping, unless the next opening or event comes first. With these at random times, none comes
    within T with the probability exp(-rate * T).
    """
    if not minutes:
        return 0.0, 0.0
    rate = frames / minutes
    if not rate:
        return minutes / KEEPALIVE.ping_minutes, minutes / KEEPALIVE.ping_minutes
    heads = frames / -math.expm1(-rate * KEEPALIVE.ping_minutes)
    return heads * math.exp(-rate * KEEPALIVE.minutes), heads - frames


def _log_of_others(users: float) -> float:
    return math.log1p(-1 / users) if users > 1 else -math.inf

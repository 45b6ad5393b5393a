"""Other transports for the same clients and events, at their published prices.

Transport only: each of them would also need the webhook, the record, the outbox, the inbox and the
replay.
"""

import math
from typing import NamedTuple

from cli.cost.bill import DAYS, FRAME_OVERHEAD, bill, per_million, summary, volumes
from cli.cost.inputs import Inputs
from cli.cost.prices import ABLY, PUSHER, cost, fitting

METERED_BYTES = 5 * 1024  # of an AppSync operation and an IoT message


class Peer(NamedTuple):
    """A transport by the month, in dollars; None where it is not sold that way."""

    name: str
    total: float | None
    per_million_notifications: float | None
    per_million_minutes: float | None
    counted: str


def peers(given: Inputs) -> list[Peer]:
    """Return Herald's transport and the others, for all users at once."""
    counts = volumes(given)
    published = counts.notifications
    delivered = counts.notifications * given.online * given.connections
    at_once = given.users * given.connections
    units = math.ceil((given.event_bytes + FRAME_OVERHEAD) / METERED_BYTES)
    own = summary(given, [line for line in bill(given) if line.service == "API Gateway"])
    pusher = fitting(PUSHER, at_once, (published + delivered) / DAYS)
    ably = fitting(ABLY, at_once, 0)
    return [
        Peer("Herald: API Gateway", *own[:3], "posts, pings, hellos, replays; minutes"),
        _metered(
            "AppSync Events",
            given,
            ("appsync-operation", (published + delivered) * units, 2 * counts.connects),
            ("appsync-minute",),
            "publish, delivery, connect, subscribe; minutes",
        ),
        _metered(
            "IoT Core",
            given,
            ("iot-message", (published + delivered) * units + delivered, 2 * counts.connects),
            ("iot-minute",),
            "publish, delivery, acknowledgement, connect, subscribe; minutes",
        ),
        Peer(
            f"Pusher {pusher.name}" if pusher else "Pusher",
            pusher.amount if pusher else None,
            None,
            None,
            "the plan for so many connections and messages a day" if pusher else "by contract",
        ),
        _metered(
            f"Ably {ably.name}",
            given,
            ("ably-message", published + delivered, 0.0),
            ("ably-minute", "ably-channel-minute"),
            f"publish, delivery; minutes, with a channel each; the package ${ably.amount:g}",
            ably.amount,
        )
        if ably
        else Peer("Ably", None, None, None, "by contract"),
    ]


def _metered(
    name: str,
    given: Inputs,
    messages: tuple[str, float, float],
    minutes: tuple[str, ...],
    counted: str,
    base: float = 0.0,
) -> Peer:
    """`messages` is their price, how many notifications cause, and how many connecting causes."""
    counts, prices = volumes(given), dict(given.prices)
    price, of_notifications, of_connecting = messages
    amount = cost(prices, price, of_notifications + of_connecting)
    each = amount / (of_notifications + of_connecting) if amount else 0.0
    connected = sum(cost(prices, minute, counts.minutes) for minute in minutes)
    return Peer(
        name,
        base + amount + connected,
        per_million(each * of_notifications, counts.notifications),
        per_million(connected + each * of_connecting, counts.minutes),
        counted,
    )

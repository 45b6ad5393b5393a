"""The costs of other transports for the same clients and events, at their published prices.

Only the transport is compared. With any of them, the webhook, the record of results, the outbox,
the inbox and the replay would still be needed.
"""

import math
from typing import NamedTuple

from cli.cost.bill import bill, per_million, summary
from cli.cost.inputs import Inputs
from cli.cost.prices import ABLY, PUSHER, cost, fitting
from cli.cost.quantities import NOTIFICATION
from cli.cost.volumes import DAYS, volumes

METERED_BYTES = 5 * 1024  # billing unit of an AppSync operation and of an IoT message, in bytes


class Peer(NamedTuple):
    """The monthly cost of a transport, in dollars.

    All costs are None if the price is by contract. The costs per million are None if the transport
    has no price per message or minute.
    """

    name: str
    total: float | None
    per_million_notifications: float | None
    per_million_minutes: float | None
    counted: str


def peers(given: Inputs) -> list[Peer]:
    """Return the costs of Herald's transport and of the others for all users together."""
    counts = volumes(given)
    published = counts.notifications
    delivered = counts.notifications * given.online * given.connections
    units = math.ceil((given.event_bytes + NOTIFICATION.frame_overhead) / METERED_BYTES)
    own = summary(given, [line for line in bill(given) if line.service == "API Gateway"])
    return [
        Peer("Herald: API Gateway", *own[:3], "posts, keepalives, hellos, replays; minutes"),
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
        _pusher(given, published + delivered),
        _ably(given, published + delivered),
    ]


def _pusher(given: Inputs, messages: float) -> Peer:
    plan = fitting(PUSHER, given.users * given.connections, messages / DAYS)
    if plan is None:
        return Peer("Pusher", None, None, None, "by contract")
    counted = "the plan for so many connections and messages a day"
    return Peer(f"Pusher {plan.name}", plan.amount, None, None, counted)


def _ably(given: Inputs, messages: float) -> Peer:
    plan = fitting(ABLY, given.users * given.connections, 0)
    if plan is None:
        return Peer("Ably", None, None, None, "by contract")
    return _metered(
        f"Ably {plan.name}",
        given,
        ("ably-message", messages, 0.0),
        ("ably-minute", "ably-channel-minute"),
        f"publish, delivery; minutes, with a channel each; the package ${plan.amount:g}",
        plan.amount,
    )


def _metered(
    name: str,
    given: Inputs,
    messages: tuple[str, float, float],
    minutes: tuple[str, ...],
    counted: str,
    base: float = 0.0,
) -> Peer:
    """Return the costs of a transport that is billed by messages and minutes.

    `messages` has the name of the price, the number of messages caused by notifications, and the
    number caused by connections.
    """
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

"""The limits of Herald, the load that users create, and a comparison of the two.

Settings has the defaults of infra/variables.tf and AWS's default quotas. Workload describes the
users. `needs` computes how much of each limit they require. Rates are per second.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from chalicelib.protocol.server_frames import LIFETIME_MS
from cli.cost.quantities import KEEPALIVE, NOTIFICATION

# clients replace a connection in the last tenth of its lifetime, on average in the middle of it
SPREAD = 0.1
RENEWAL = LIFETIME_MS / 1000 * (1 - SPREAD / 2)  # average seconds
ROOM = 0.7  # the planned maximum use of a limit, as a share
QUICKEST_RETURN = 0.5  # seconds over which clients spread their first attempt


@dataclass(frozen=True)
class Settings:
    """Limits that can be raised: Terraform variables, AWS quotas, and the database."""

    callback_rate_limit: float = 200
    websocket_rate_limit: float = 2_000
    deliver_maximum_concurrency: float = 10
    posts_per_second: float = 500  # posts per second of one copy of deliver
    api_gateway_requests_per_second: float = 10_000  # both a Terraform variable and an AWS quota
    new_connections_per_second: float = 500
    lambda_concurrency: float = 1_000
    sns_publishes_per_second: float = 30_000  # in us-east-1; other Regions allow 300 to 9,000
    table_writes_per_second: float = 4_000  # of a new on-demand table, which can grow to 40,000
    table_reads_per_second: float = 12_000
    database_connections: float = 100

    @property
    def callback_burst(self) -> float:
        """The burst limit for webhooks. callback_burst_limit is always twice the rate."""
        return 2 * self.callback_rate_limit

    @property
    def websocket_burst(self) -> float:
        """The burst limit for client requests. websocket_burst_limit is always half the rate."""
        return self.websocket_rate_limit / 2


BATCH = 10  # deliver_batch_size

NAMES = {
    "callback_rate_limit": "webhooks per second (`callback_rate_limit`, `callback_burst_limit`)",
    "websocket_rate_limit": (
        "requests from clients per second (`websocket_rate_limit`, `websocket_burst_limit`)"
    ),
    "deliver_maximum_concurrency": (
        "concurrent executions of `deliver` (`deliver_maximum_concurrency`)"
    ),
    "api_gateway_requests_per_second": "API Gateway requests of the account per second",
    "new_connections_per_second": "new WebSocket connections of the account per second",
    "lambda_concurrency": "concurrent Lambda executions of the account",
    "sns_publishes_per_second": "messages published to SNS by the account per second",
    "table_writes_per_second": "DynamoDB write units of the inbox table per second",
    "table_reads_per_second": "DynamoDB read units of the inbox table per second",
    "database_connections": "PostgreSQL connections",
}


@dataclass(frozen=True)
class Workload:
    """Connected users and their activity. All values are assumptions."""

    users: float
    events_per_hour: float = 6.0  # events per hour and connected user
    burst: float = 5.0  # multiple of the mean rate during a burst, which lasts twenty seconds
    # new connections per hour and user, in addition to the renewals at the end of each lifetime
    reloads_per_hour: float = 1.0

    @property
    def events(self) -> float:
        """Events per second on average."""
        return self.users * self.events_per_hour / 3600

    @property
    def keepalives(self) -> float:
        """Keepalives and pings per second, while there are no events."""
        return self.users / (KEEPALIVE.minutes * 60)

    @property
    def pings(self) -> float:
        """Pings per second: a share of the keepalives."""
        return self.keepalives / KEEPALIVE.ping_every

    @property
    def connects(self) -> float:
        """New connections per second in quiet times."""
        return self.users * (1 / RENEWAL + self.reloads_per_hour / 3600)


class Busy(NamedTuple):
    """Seconds for which one call occupies a function, measured by API Gateway or SQS."""

    callback: float = 0.045
    authorize: float = 0.010
    connect: float = 0.012
    ping: float = 0.012
    hello: float = 0.035
    disconnect: float = 0.012


BUSY = Busy()
# posts after a hello: welcome and one frame of missed events; caught_up is returned as the
# response of the route and needs no post
POSTS_OF_A_HELLO = 2


class Rates(NamedTuple):
    """Arrivals per second."""

    events: float
    connects: float
    keepalives: float  # including pings
    pings: float

    @property
    def client_requests(self) -> float:
        """Connects, hellos, disconnects, keepalives and pings."""
        return 3 * self.connects + self.keepalives

    @property
    def other_requests(self) -> float:
        """Requests per second that count against the account's quota, except webhooks and posts of
        events.
        """
        return self.client_requests + POSTS_OF_A_HELLO * self.connects


def burst(load: Workload) -> Rates:
    """Return the rates during a burst of events, without a mass reconnect."""
    return Rates(load.burst * load.events, load.connects, load.keepalives, load.pings)


def storm(load: Workload, settings: Settings) -> Rates:
    """Return the rates while all clients reconnect as fast as the quota allows."""
    fastest = min(settings.new_connections_per_second, load.users / QUICKEST_RETURN)
    return Rates(load.events, fastest, load.keepalives, load.pings)


def needs(rates: Rates, settings: Settings, batch_seconds: float) -> dict[str, float]:
    """Return the minimum value of each setting for these rates. A full batch takes
    `batch_seconds`.
    """
    events, connects, _, pings = rates
    copies = max(events / BATCH * batch_seconds, events / settings.posts_per_second)
    callbacks = events * BUSY.callback
    sessions = connects * (BUSY.authorize + BUSY.connect + BUSY.hello + BUSY.disconnect)
    return {
        "callback_rate_limit": events,
        "websocket_rate_limit": rates.client_requests,
        "deliver_maximum_concurrency": copies,
        "api_gateway_requests_per_second": 2 * events + rates.other_requests,
        "new_connections_per_second": connects,
        "lambda_concurrency": callbacks + copies + sessions + pings * BUSY.ping,
        "sns_publishes_per_second": events,
        "table_writes_per_second": NOTIFICATION.rows * events,
        "table_reads_per_second": 3 * connects + pings,
        "database_connections": callbacks,
    }


def use(load: Workload, settings: Settings, batch_seconds: float) -> dict[str, float]:
    """Return the share of each limit that a burst of events uses."""
    wanted = needs(burst(load), settings, batch_seconds)
    return {name: number / getattr(settings, name) for name, number in wanted.items()}


def raised(
    load: Workload, settings: Settings, batch_seconds: float, *, back_within: float
) -> Settings:
    """Return settings with headroom for a burst, and for the reconnection of all clients within
    `back_within` seconds.
    """
    if load.users / settings.new_connections_per_second > back_within:
        wanted = rounded(load.users / back_within)
        settings = replace(settings, new_connections_per_second=wanted)
    of_burst = needs(burst(load), settings, batch_seconds)
    of_storm = needs(storm(load, settings), settings, batch_seconds)
    least = {name: max(of_burst[name] / ROOM, of_storm[name]) for name in of_burst}
    changes = {
        name: rounded(number) for name, number in least.items() if number > getattr(settings, name)
    }
    settings = replace(settings, **changes)
    # Terraform rejects settings that allow more posts than the account's request quota.
    posts = copies_of_deliver(settings) * settings.posts_per_second
    if posts > settings.api_gateway_requests_per_second:
        settings = replace(settings, api_gateway_requests_per_second=rounded(posts))
    return settings


def copies_of_deliver(settings: Settings) -> float:
    """Return the most copies of `deliver`, with those for progress, which is not modelled."""
    events = settings.deliver_maximum_concurrency
    return events + max(2, math.ceil(events / 5))


def rounded(number: float) -> float:
    """Round up to 1, 1.5, 2, 3, 5 or 7 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    steps = (1, 1.5, 2, 3, 5, 7, 10)
    return next(step for step in steps if number <= step * power * (1 + 1e-9)) * power

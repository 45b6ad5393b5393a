"""A fluid model of a mass reconnect: after an outage, all clients reconnect at the same time.

A million clients make too many attempts to simulate each of them. The model therefore tracks only
the numbers of clients, in small time steps. Waiting clients are grouped by their number of
attempts. The jitter spreads each group evenly over a time window, so a group of any size needs only
two additions.
"""

from dataclasses import dataclass, field

from benchmarks.capacity import POSTS_OF_A_HELLO, Settings, Workload

STEP = 0.1  # seconds
FIRST_DELAY, LONGEST_DELAY = 0.5, 20.0  # seconds; clients/js/constants.js
LEVELS = 6  # the window grows only up to the sixth attempt
NO_PONG = 10.0  # seconds that a client waits for a pong; clients/js/constants.js
PING_AGAIN = 20.0  # maximum seconds until its second and last ping


def window(attempt: int) -> tuple[float, float]:
    """Return the minimum and maximum delay, in seconds, before a client's next attempt."""
    return FIRST_DELAY, min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)


@dataclass
class Storm:
    """The course of a mass reconnect: one value per time step."""

    users: float
    times: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)  # users whose hello was answered
    tries: float = 0.0
    most_tries: float = 0.0  # per second
    unanswered: float = 0.0  # throttled pings and hellos

    def seconds_until(self, share: float) -> float | None:
        """Return the time from which at least this share of the users stays connected, or None if
        the simulation ends with fewer.
        """
        reached = None
        for when, back in zip(self.times, self.back, strict=True):
            if back < share * self.users:
                reached = None
            elif reached is None:
                reached = when
        return reached


class _Window:
    """The number of clients that act in each time step. Each group is spread evenly over a time
    window.
    """

    def __init__(self, steps: int) -> None:
        self._changes = [0.0] * (steps + 2)  # change of the flow in each step
        self._flow = 0.0

    def add(self, clients: float, step: int, low: float, high: float) -> None:
        """Add clients that act between `low` and `high` seconds after a step."""
        first, last = step + round(low / STEP), step + round(high / STEP)
        end = len(self._changes) - 1  # times after the end of the simulation are ignored
        self._changes[min(first, end)] += clients / (last - first)
        self._changes[min(last, end)] -= clients / (last - first)

    def due(self, step: int) -> float:
        """Return the number of clients that act in this step. Call it once per step, in order."""
        self._flow += self._changes[step]
        return max(0.0, self._flow)


class _Tokens:
    def __init__(self, rate: float, burst: float) -> None:
        self._gain, self._burst, self._left = rate * STEP, burst, burst

    def share(self, wanted: float) -> float:
        """Refill the bucket for one step and take the available tokens; return the share of
        requests that got one.
        """
        self._left = min(self._burst, self._left + self._gain)
        granted = min(wanted, self._left)
        self._left -= granted
        return granted / wanted if wanted else 1.0


def storm(load: Workload, settings: Settings, *, seconds: float = 3600.0) -> Storm:
    """Close all connections at once and simulate until all clients are connected again.

    The simulation ends after `seconds` at the latest.

    A refused attempt takes no tokens. A client whose hello is throttled waits and tries again, as
    after a refused attempt. A client also reconnects if two pings in a row are throttled. Nobody
    misses a throttled keepalive, because it has no answer.
    """
    steps = int(seconds / STEP)
    waiting = [_Window(steps) for _ in range(LEVELS + 1)]  # waiting clients by number of failures
    unsure = _Window(steps)  # connected clients with one missing pong
    waiting[1].add(load.users, 0, *window(1))
    fresh = _Tokens(settings.new_connections_per_second, settings.new_connections_per_second)
    stage = _Tokens(settings.websocket_rate_limit, settings.websocket_burst)
    quota = settings.api_gateway_requests_per_second
    account = _Tokens(quota, quota / 2)
    result = Storm(load.users)
    connected = 0.0
    for step in range(steps):
        due = [level.due(step) for level in waiting]
        second_pings = unsure.due(step)
        tries = sum(due)
        result.tries += tries
        result.most_tries = max(result.most_tries, tries / STEP)
        connected_share = connected / load.users
        first_pings = load.pings * connected_share * STEP
        pings = first_pings + second_pings
        keepalives = (load.keepalives - load.pings) * connected_share * STEP
        webhooks_and_posts = load.events * STEP * (1 + connected_share)
        accepted = fresh.share(tries)
        # each connection needs two tokens, for connect and hello
        frames = 2 * tries * accepted + pings + keepalives
        through = stage.share(frames)
        posts = POSTS_OF_A_HELLO * tries * accepted * through
        through *= account.share(frames * through + posts + webhooks_and_posts)
        ready = 0.0
        for attempt, clients in enumerate(due):
            if not clients:
                continue
            # clients that got both tokens
            welcome = clients * accepted * through
            ready += welcome
            failures = min(attempt + 1, LEVELS)
            waiting[failures].add(clients - welcome, step, *window(failures))
        unsure.add(first_pings * (1 - through), step, NO_PONG, NO_PONG + PING_AGAIN)
        lost = second_pings * (1 - through)
        low, high = window(1)
        waiting[1].add(lost, step, NO_PONG + low, NO_PONG + high)
        result.unanswered += (pings + tries * accepted) * (1 - through)
        connected += ready - lost
        result.times.append((step + 1) * STEP)
        result.back.append(connected)
        if connected >= load.users - 0.5 and through == 1.0:
            break
    return result

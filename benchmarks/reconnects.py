"""All clients reconnect at once: the storm after an outage, as a fluid in small time steps.

A million clients make many millions of attempts: too many to follow one by one, so only their
number is tracked. Waiting clients are grouped by attempt; the jitter spreads each group evenly over
a window, which costs two additions whatever its size.
"""

from dataclasses import dataclass, field

from benchmarks.capacity import POSTS_OF_A_HELLO, Settings, Workload
from chalicelib.protocol.server_frames import PING_MS

STEP = 0.1  # seconds
FIRST_DELAY, LONGEST_DELAY = 0.5, 20.0  # seconds; clients/js/herald.js
LEVELS = 6  # from the sixth attempt on, the window no longer grows
NO_PONG = 10.0  # seconds that a client waits for a pong; clients/js/connection.js
PING_AGAIN = 20.0  # maximum seconds until its second and last ping


def window(attempt: int) -> tuple[float, float]:
    """Return the minimum and maximum delay before a client's next attempt."""
    return FIRST_DELAY, min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)


@dataclass
class Storm:
    """The course of a storm, by time."""

    users: float
    times: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)  # users whose connection has said hello
    tries: float = 0.0
    most_tries: float = 0.0  # per second
    unanswered: float = 0.0  # pings and hellos that got no token

    def seconds_until(self, share: float) -> float | None:
        """Return when this share was back for good, or None if it never was."""
        reached = None
        for when, back in zip(self.times, self.back, strict=True):
            if back < share * self.users:
                reached = None
            elif reached is None:
                reached = when
        return reached


class _Window:
    """Clients that act within windows of time, spread evenly over each."""

    def __init__(self, steps: int) -> None:
        self._changes = [0.0] * (steps + 2)  # of the flow, by step
        self._flow = 0.0

    def add(self, clients: float, step: int, low: float, high: float) -> None:
        """Add clients that act from `low` to `high` seconds after a step."""
        first, last = step + round(low / STEP), step + round(high / STEP)
        end = len(self._changes) - 1  # times beyond the simulation do not matter
        self._changes[min(first, end)] += clients / (last - first)
        self._changes[min(last, end)] -= clients / (last - first)

    def due(self, step: int) -> float:
        """Return how many act in this step; call it once per step, in order."""
        self._flow += self._changes[step]
        return max(0.0, self._flow)


class _Tokens:
    def __init__(self, rate: float, burst: float) -> None:
        self._gain, self._burst, self._left = rate * STEP, burst, burst

    def share(self, wanted: float) -> float:
        """Refill for one step, take as many tokens as are left; return the share granted."""
        self._left = min(self._burst, self._left + self._gain)
        granted = min(wanted, self._left)
        self._left -= granted
        return granted / wanted if wanted else 1.0


def storm(load: Workload, settings: Settings, *, seconds: float = 3600.0) -> Storm:
    """Cut every connection at once and simulate until all are back, or for `seconds`.

    A refused attempt takes no tokens. A client whose hello gets no token reconnects once it
    notices, and so does one whose pings get none twice in a row.
    """
    steps = int(seconds / STEP)
    waiting = [_Window(steps) for _ in range(LEVELS + 1)]  # by number of failures
    unsure = _Window(steps)  # connected, with one pong missing
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
        first_pings = connected * STEP * 1000 / PING_MS
        pings = first_pings + second_pings
        webhooks_and_posts = load.events * STEP * (1 + connected / load.users)
        accepted = fresh.share(tries)
        frames = 2 * tries * accepted + pings  # the connects and their hellos
        through = stage.share(frames)
        posts = POSTS_OF_A_HELLO * tries * accepted * through
        through *= account.share(frames * through + posts + webhooks_and_posts)
        ready = 0.0
        for attempt, clients in enumerate(due):
            if not clients:
                continue
            # Both the connect and the hello got their tokens.
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

"""Everybody comes back at once: the storm after an outage, as a fluid in small steps.

A million clients try many million times: too many to follow one by one, and so many that only how
many there are matters. Those that wait are kept by the number of their try; its jitter spreads
them evenly over a window, which costs two additions however many they are.
"""

from dataclasses import dataclass, field

from benchmarks.capacity import POSTS_OF_A_HELLO, Settings, Workload
from chalicelib.protocol.server_frames import PING_MS

STEP = 0.1  # seconds
FIRST_DELAY, LONGEST_DELAY = 0.5, 20.0  # seconds; clients/js/herald.js
LEVELS = 6  # from the sixth try on, the window is the longest
NO_PONG = 10.0  # seconds that a client waits for the answer to a ping; clients/js/connection.js
PING_AGAIN = 20.0  # seconds at most until it asks again, once


def window(attempt: int) -> tuple[float, float]:
    """Return the least and the greatest delay before a client's try, by the failures so far."""
    return FIRST_DELAY, min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)


@dataclass
class Storm:
    """How it went; shares of the users, by time."""

    users: float
    times: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)  # users with a connection that said hello
    tries: float = 0.0
    most_tries: float = 0.0  # per second
    unanswered: float = 0.0  # pings and hellos that found no tokens

    def seconds_until(self, share: float) -> float | None:
        """Return when the share was back and stayed, or None if that never was."""
        reached = None
        for when, back in zip(self.times, self.back, strict=True):
            if back < share * self.users:
                reached = None
            elif reached is None:
                reached = when
        return reached


class _Window:
    """Clients that act within windows of steps, spread evenly over each."""

    def __init__(self, steps: int) -> None:
        self._changes = [0.0] * (steps + 2)  # of the flow, by step
        self._flow = 0.0

    def add(self, clients: float, step: int, low: float, high: float) -> None:
        """Let clients act from `low` to `high` seconds after a step."""
        first, last = step + round(low / STEP), step + round(high / STEP)
        end = len(self._changes) - 1  # what is beyond the simulated time does not matter
        self._changes[min(first, end)] += clients / (last - first)
        self._changes[min(last, end)] -= clients / (last - first)

    def due(self, step: int) -> float:
        """Return how many act in this step; ask for each step once, in order."""
        self._flow += self._changes[step]
        return max(0.0, self._flow)


class _Tokens:
    def __init__(self, rate: float, burst: float) -> None:
        self._gain, self._burst, self._left = rate * STEP, burst, burst

    def share(self, wanted: float) -> float:
        """Refill for a step, take what is wanted as far as it goes; return the share granted."""
        self._left = min(self._burst, self._left + self._gain)
        granted = min(wanted, self._left)
        self._left -= granted
        return granted / wanted if wanted else 1.0


def storm(load: Workload, settings: Settings, *, seconds: float = 3600.0) -> Storm:
    """Cut everybody's connection at once and follow them until all are back, or for so long.

    A try that is refused takes no tokens. A hello without tokens ends its connection, as does the
    second ping in a row, once its client notices; both try again.
    """
    steps = int(seconds / STEP)
    waiting = [_Window(steps) for _ in range(LEVELS + 1)]  # by the failures so far
    unsure = _Window(steps)  # connected, but without a pong
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
        frames = 2 * tries * accepted + pings  # connects and their hellos
        through = stage.share(frames)
        posts = POSTS_OF_A_HELLO * tries * accepted * through
        through *= account.share(frames * through + posts + webhooks_and_posts)
        ready = 0.0
        for attempt, clients in enumerate(due):
            if not clients:
                continue
            # Through with the connect and through with the hello.
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

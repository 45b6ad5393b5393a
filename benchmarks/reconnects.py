"""Everybody comes back at once: the storm after an outage, as a fluid in small steps.

A million clients try many million times: too many to follow one by one, and so many that only how
many there are matters. Those that wait are kept by the number of their try; its jitter spreads
them evenly over a window, which costs two additions however many they are.
"""

from dataclasses import dataclass, field

from benchmarks.capacity import POSTS_OF_A_HELLO, Settings, Workload
from chalicelib.frames import PING_MS

STEP = 0.1  # seconds
FIRST_DELAY, LONGEST_DELAY = 0.5, 20.0  # seconds; clients/js/herald.js
LEVELS = 6  # from the sixth try on, the window is the longest
NO_PONG = 10.0  # seconds until a client gives up an unanswered ping


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


class _Waiting:
    """Clients by the step at which they try again, and by how often they failed."""

    def __init__(self, steps: int) -> None:
        room = steps + int(LONGEST_DELAY / STEP) + 3
        self._starts = [[0.0] * room for _ in range(LEVELS + 1)]  # changes of the flow
        self._flow = [0.0] * (LEVELS + 1)
        self._late = [[0.0] * (room + int(NO_PONG / STEP)) for _ in range(2)]

    def add(self, step: int, attempt: int, clients: float) -> None:
        level = min(attempt, LEVELS)
        low, high = window(level)
        first, last = step + round(low / STEP), step + round(high / STEP)
        flow = clients / (last - first)
        self._starts[level][first] += flow
        self._starts[level][last] -= flow

    def give_up(self, step: int, clients: float) -> None:
        """Clients that notice only later that nobody answered."""
        self._late[0][step + round(NO_PONG / STEP)] += clients

    def due(self, step: int) -> list[float]:
        """Return how many try in this step, by failures so far."""
        self.add(step, 1, self._late[0][step])
        for level in range(1, LEVELS + 1):
            self._flow[level] += self._starts[level][step]
        return [max(0.0, flow) for flow in self._flow]


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

    A try that is refused takes no tokens. A hello without tokens ends its connection, a ping too,
    once its client notices; both try again.
    """
    steps = int(seconds / STEP)
    waiting = _Waiting(steps)
    waiting.add(0, 1, load.users)
    fresh = _Tokens(settings.new_connections_per_second, settings.new_connections_per_second)
    stage = _Tokens(settings.websocket_rate_limit, settings.websocket_burst)
    quota = settings.api_gateway_requests_per_second
    account = _Tokens(quota, quota / 2)
    result = Storm(load.users)
    connected = 0.0
    for step in range(steps):
        due = waiting.due(step)
        tries = sum(due)
        result.tries += tries
        result.most_tries = max(result.most_tries, tries / STEP)
        pings = connected * STEP * 1000 / PING_MS
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
            waiting.add(step, attempt + 1, clients - welcome)
        lost = pings * (1 - through)
        result.unanswered += lost + tries * accepted * (1 - through)
        waiting.give_up(step, lost)
        connected += ready - lost
        result.times.append((step + 1) * STEP)
        result.back.append(connected)
        if connected >= load.users - 0.5 and through == 1.0:
            break
    return result

"""Exchanges that bind both sides: a client must ask like this, and Herald must answer like this.

The points use them with the client under test; tests/e2e/test_conformance.py checks the same
exchanges with Herald itself. The user's stream has three results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clients.conformance import frames

if TYPE_CHECKING:
    from clients.conformance.frames import Frame

HEAD = 3


class Exchange(NamedTuple):
    """A frame of the client, without `id`, and the frames that answer it, without `re`.

    `epoch` is the one that stands for the epoch of the stream.
    """

    asks: Frame
    answers: tuple[Frame, ...]
    epoch: str = frames.EPOCH


def _hello(offset: int | None = None) -> Frame:
    cursor = {"resume": {"epoch": frames.EPOCH, "offset": offset}}
    return {"action": "hello", **(cursor if offset is not None else {})}


NEW_READER = Exchange(_hello(), (frames.welcome(None, HEAD),))

RESUMED = Exchange(
    _hello(1),
    (
        frames.welcome(None, HEAD, recovered=True, replaying=2),
        frames.replay(2, HEAD),
        frames.caught_up(None, HEAD),
    ),
)

NOTHING_MISSED = Exchange(_hello(HEAD), (frames.welcome(None, HEAD, recovered=True),))

# The database was restored after the client had followed another epoch.
RESTORED = Exchange(
    _hello(1),
    (
        frames.welcome(None, HEAD, stream={"epoch": frames.LATER_EPOCH, "head": HEAD}),
        frames.gap(
            None,
            {"epoch": frames.EPOCH, "offset": 1},
            HEAD,
            epoch=frames.LATER_EPOCH,
            earliest=1,
            reason="epoch_changed",
        ),
    ),
    epoch=frames.LATER_EPOCH,
)

HISTORY = Exchange(
    {"action": "history", "since": 1, "limit": 2},
    (frames.replay(2, HEAD), frames.caught_up(None, HEAD)),
)

BEHIND = Exchange(
    {"action": "ping", "epoch": frames.EPOCH, "offset": 1}, (frames.pong(None, HEAD),)
)

KEEPALIVE = Exchange({"action": "keepalive"}, ())

# `token` stands for a fresh token, and for one that is invalid.
RENEWED = Exchange({"action": "auth", "token": "fresh"}, (frames.auth_ok(None, 900_000),))
NOT_RENEWED = Exchange(
    {"action": "auth", "token": "invalid"}, (frames.error(None, 4009, "unauthorized"),)
)

# The points that these exchanges belong to.
SERVER_HALVES = {
    "C3": NEW_READER,
    "C6": NOTHING_MISSED,
    "C21": RESUMED,
    "C37": HISTORY,
    "C44": BEHIND,
    "C46": RESTORED,
    "C49": KEEPALIVE,
    "C61": RENEWED,
    "C63": NOT_RENEWED,
}

_SIGNIFICANT = {
    "welcome": ("re", "stream", "recovered", "replaying"),
    "event": ("epoch", "offset", "replayed"),
    "caught_up": ("re", "offset"),
    "gap": ("re", "requested", "epoch", "earliest", "head", "reason"),
    "pong": ("re", "epoch", "head"),
    "auth_ok": ("re",),
    "error": ("re", "code", "name"),
    "close": ("code", "name", "reconnect"),
}


def significant(answers: list[Frame]) -> list[dict[str, Any]]:
    """Return what both sides rely on: the order, and the fields that determine what is next.

    Whether events come together in one frame makes no difference.
    """
    single = [item for frame in answers for item in frame.get("items", [frame])]
    return [
        {"type": frame["type"], **{name: frame.get(name) for name in _SIGNIFICANT[frame["type"]]}}
        for frame in single
    ]

"""Which progress of a running generation is the newest."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

_MAX_GENERATIONS = 1_000


class Running:
    """The time of the newest progress of each running generation."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, datetime] = OrderedDict()

    def advance(self, generation: str, time: str) -> bool:
        """Record progress; returns False if it is not newer than the last of its generation.

        `time` is in the format of RFC 3339.
        """
        try:
            moment = datetime.fromisoformat(time)
            if generation in self._times and moment <= self._times[generation]:
                return False
        except (ValueError, TypeError):  # no time, or one without a time zone
            return False
        self._times[generation] = moment
        self._times.move_to_end(generation)
        if len(self._times) > _MAX_GENERATIONS:
            self._times.popitem(last=False)
        return True

    def finish(self, generation: str) -> None:
        self._times.pop(generation, None)

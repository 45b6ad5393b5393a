"""How busy this machine was while the local stack handled a load."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from local import processes

_STARTED = re.compile(r"Lambda worker spawned for herald-[a-z0-9]+-(\w+)")


class Load(NamedTuple):
    """What a period cost: cores in use (of all processes, and of the emulator's own process), and
    the copies of each function that were started.
    """

    cores: int
    busy: float
    emulator: float
    started: dict[str, int]

    def __str__(self) -> str:
        started = ", ".join(f"{count} of {name}" for name, count in sorted(self.started.items()))
        return (
            f"{self.busy:.2f} of {self.cores} cores busy, {self.emulator:.2f} of them by the"
            f" emulator's process; copies started: {started or 'none'}"
        )


class Machine:
    """Observes the machine and the stack in a directory."""

    def __init__(self, stack: Path) -> None:
        self._log = stack / "logs" / "emulator.log"
        self._requests = stack / "logs" / "requests.jsonl"
        [self._emulator] = [
            process
            for process in processes.owned(stack)
            if any("emulator_app.py" in part for part in process.cmdline())
        ]
        self.begin()

    def begin(self) -> None:
        """Begin a period."""
        self._before = self._now()
        self._read_from = self._log.stat().st_size

    def end(self) -> Load:
        """Return the load since the last `begin`."""
        before, after = self._before, self._now()
        wall = after[0] - before[0]
        with self._log.open(errors="replace") as log:
            log.seek(self._read_from)
            started = Counter(_STARTED.findall(log.read()))
        cores = psutil.cpu_count() or 1
        busy, emulator = ((after[i] - before[i]) / wall for i in (1, 2))
        return Load(cores, round(busy, 2), round(emulator, 2), dict(started))

    def requests_about(self, event_id: str) -> Iterator[tuple[float, str]]:
        """Yield the time and name of each AWS request whose body names an event."""
        with self._requests.open(errors="replace") as lines:
            for line in lines:
                if event_id in line:
                    yield _request(json.loads(line))

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        own = self._emulator.cpu_times()
        wall = sum(times[:8]) / (psutil.cpu_count() or 1)
        return wall, sum(times[:8]) - times.idle - times.iowait, own.user + own.system


def _request(entry: dict[str, Any]) -> tuple[float, str]:
    name = entry["target"].rpartition(".")[2] or entry["service"]
    return entry["at"], name

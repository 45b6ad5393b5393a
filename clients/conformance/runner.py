"""Runs points against a driver."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from clients.conformance.driver import Driver
from clients.conformance.outcome import Broken, Unmet
from clients.conformance.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clients.conformance.points import Point

Outcome = Literal["met", "unmet", "broken", "not applicable"]
Log = list[tuple[float, str, object]]


class Result(NamedTuple):
    """How a point ended.

    `message` is what was expected, and `log` the exchange: seconds, who, and what. Of a point that
    is not applicable, `message` names the abilities that the driver lacks.
    """

    point: Point
    outcome: Outcome
    message: str = ""
    log: Log = []  # noqa: RUF012 - never changed


class Suite:
    """Runs points with drivers of one command, several at a time."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, jobs: int = 1
    ) -> None:
        self._command = command
        self._environment = environment
        self._jobs = jobs

    async def run(self, points: Iterable[Point]) -> list[Result]:
        """Run points, and return their results in the same order.

        Raises
        ------
        Broken
            The driver cannot be started.
        """
        chosen = list(points)
        queue = list(enumerate(chosen))[::-1]
        results: dict[int, Result] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._jobs, len(chosen))):
                    group.create_task(self._work(queue, results))
        except* Broken as group_error:
            raise group_error.exceptions[0] from None
        return [results[number] for number in range(len(chosen))]

    async def _work(self, queue: list[tuple[int, Point]], results: dict[int, Result]) -> None:
        """Run points until none is left. After a failure, the driver is started anew."""
        driver = await Driver.launch(self._command, self._environment)
        try:
            while queue:
                number, point = queue.pop()
                results[number] = await test(point, driver)
                if results[number].outcome in ("unmet", "broken"):
                    await driver.end()
                    driver = await Driver.launch(self._command, self._environment)
        finally:
            await driver.end()


async def test(point: Point, driver: Driver) -> Result:
    """Run one point. If it is not met, the driver must be started anew."""
    if missing := point.needs - driver.abilities:
        return Result(point, "not applicable", ", ".join(sorted(missing)))
    async with World(driver) as world:
        try:
            await point.script(world)
            await driver.do("stop")
        except Unmet as exc:
            return Result(point, "unmet", str(exc), world.log)
        except Broken as exc:
            return Result(point, "broken", str(exc), world.log)
    return Result(point, "met", log=world.log)


def run(
    points: Iterable[Point],
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    jobs: int = 1,
) -> list[Result]:
    """Run points with drivers of one command; see Suite.run."""
    with suppress(KeyboardInterrupt):
        return asyncio.run(Suite(command, environment, jobs).run(points))
    raise SystemExit(130)

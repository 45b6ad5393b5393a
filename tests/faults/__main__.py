"""The fault suite: `python -m tests.faults [--seed S] [--generations N]`.

The suite injects each fault on its own. A long run with a seeded schedule of all faults follows.
The last line summarizes the run; the exit code is 0 only if nothing was lost, duplicated or
otherwise wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults import report
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.test_history import LongRun

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE = Path(__file__).resolve().parent
_GENERATIONS = 300


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    if arguments.check:
        verdict = check(History.load(arguments.check))
        print(report.table(verdict, arguments.seed or 0), report.summary(verdict), sep="\n")
        return 0 if verdict.holds else 1
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    wanted = LongRun(seed, arguments.generations)
    tests = _HERE / "test_history.py" if arguments.only_history else _HERE
    code = pytest.main([str(tests), "-q", *arguments.pytest], plugins=[_Named(wanted)])
    if wanted.verdict is None:
        print("The long run did not finish.")
        return 1
    print(report.table(wanted.verdict, seed))
    print(report.summary(wanted.verdict))
    return 0 if code == 0 and wanted.verdict.holds else 1


class _Named:
    """A pytest plugin that registers the requested run under a name by which tests find it."""

    def __init__(self, wanted: LongRun) -> None:
        self._wanted = wanted

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._wanted, "long-run")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="seed of the schedule (default: a random one, printed)"
    )
    parser.add_argument(
        "--generations",
        type=int,
        default=_GENERATIONS,
        metavar="N",
        help="generations of the long run",
    )
    parser.add_argument("--only-history", action="store_true", help="run only the long run")
    parser.add_argument("--check", type=Path, metavar="FILE", help="check a saved history again")
    parser.add_argument("pytest", nargs="*", help="further arguments for pytest, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())

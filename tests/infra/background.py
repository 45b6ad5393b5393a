"""Runs `terraform test` in the background, while the tests of other suites wait for the stack.

A run takes much CPU time and needs nothing of the other tests. The runs of all collected tests
start with a low priority when the collection has finished, in the order of the tests. The fixture
`tested` waits for the run of its test.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.infra.running import Terraform, copy_of_infra

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from concurrent.futures import Future


class Change(NamedTuple):
    """A text that is replaced in a file below infra/."""

    file: str
    old: str
    new: str


class Run(NamedTuple):
    """A run of `terraform test` in a directory below infra/, after a change."""

    directory: str
    change: Change | None = None
    arguments: tuple[str, ...] = ()

    def run(self, copy: Path) -> subprocess.CompletedProcess[str]:
        """Run the tests in a new copy of infra/."""
        copy_of_infra(copy)
        if self.change is not None:
            path = copy / self.change.file
            path.write_text(path.read_text().replace(self.change.old, self.change.new))
        terraform = Terraform(copy / self.directory).init()
        terraform.prefix = ("nice", "-n", "19")
        return terraform.run("test", "-no-color", *self.arguments)


class Runs:
    """All runs of a session, one at a time."""

    def __init__(self, wanted: Sequence[Run]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="herald-terraform-tests-")
        self._executor = ThreadPoolExecutor(1)
        self._results: dict[Run, Future[subprocess.CompletedProcess[str]]] = {}
        for number, tested in enumerate(dict.fromkeys(wanted)):
            copy = Path(self._directory.name) / str(number) / "infra"
            self._results[tested] = self._executor.submit(tested.run, copy)

    def result(self, tested: Run) -> subprocess.CompletedProcess[str]:
        """Wait for a run."""
        return self._results[tested].result()

    def close(self) -> None:
        """Wait for the current run and drop the others."""
        self._executor.shutdown(cancel_futures=True)
        self._directory.cleanup()


RUNS = pytest.StashKey[Runs]()

"""microburst, the protocol-aware fault proxy, as a process of the stack."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal

import httpx

from local import processes
from local.emulator import answers
from local.ports import free_port
from tooling import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.rules import Rule
    from tests.faults.tap import Address


class Microburst:
    """One proxy in front of `upstream`. Without rules, it forwards everything.

    `http` for the AWS endpoint, `postgres` for the database.
    """

    def __init__(
        self, protocol: Literal["http", "postgres"], upstream: Address, stack: Path
    ) -> None:
        self.port = free_port()
        control = self.port if protocol == "http" else free_port()
        self._control = f"http://127.0.0.1:{control}/_microburst"
        self._rules: dict[int, Rule] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        log = stack / "logs" / f"microburst-{protocol}.log"
        command = [sys.executable, "-m", "tests.faults.microburst_app", "--protocol", protocol]
        host, port = upstream
        where = f"http://{host}:{port}" if protocol == "http" else f"{host}:{port}"
        command += ["--upstream", where, "--port", str(self.port), "--control-port"]
        command += [str(control)] + (["--no-resign"] if protocol == "http" else [])
        environment = processes.clean_environment(stack, {})
        self._process = processes.start(command, environment=environment, directory=ROOT, log=log)
        ready = lambda: answers(f"{self._control}/health")  # noqa: E731
        processes.await_ready(self._process, ready, name="microburst", log=log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    @contextlib.contextmanager
    def fault(self, **rule: Any) -> Iterator[None]:
        """Inject a fault, as a microburst rule, for the duration of the block."""
        number = self.add(rule)
        try:
            yield
        finally:
            self.remove(number)

    def add(self, rule: Rule) -> int:
        """Start injecting a fault; return the number that `remove` takes."""
        with self._lock:
            number = next(self._numbers)
            self._rules[number] = rule
            self._send()
            return number

    def remove(self, number: int) -> None:
        with self._lock:
            self._rules.pop(number, None)
            self._send()

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()
            self._send()
            httpx.delete(f"{self._control}/fired").raise_for_status()

    def fired(self) -> list[dict[str, Any]]:
        """The faults injected since the last `clear`."""
        found: list[dict[str, Any]] = httpx.get(f"{self._control}/fired?limit=1000").json()
        return found

    def _send(self) -> None:
        rules = list(self._rules.values())
        httpx.post(f"{self._control}/rules", json=rules).raise_for_status()

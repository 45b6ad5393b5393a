"""Measures the CPU time of `callback` and `deliver` on a local stack.

    python -m benchmarks.stack_cpu [STACK_ENV] [--reports N] [--rounds N]

Without STACK_ENV, it starts a stack of its own, which logs as in production and does not keep
outputs: `deliver` has nothing to do with them.

In every round, N results are sent, one at a time, then N reports of progress, ten at a time. The
CPU time is that of the functions' processes, from Linux's /proc. If a function gets a new process,
the round is repeated, because a start would count. The ratios are added to build/bench/path.json.
"""

import argparse
import asyncio
import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks import BUILD, add_path_results
from benchmarks.path import Clients
from benchmarks.progress import Provider
from local.stack import Stack
from tooling import stack_env

FUNCTIONS = ("callback", "deliver")
REPEATS = 5  # of a round
GROUP = 10  # progress reports that are sent together, so that Lambda can batch their events

Round = dict[tuple[str, str], float]  # microseconds per report, by kind of report and function


class RoundSpoilt(Exception):
    """A function got a new process during the round."""


def processes(state: Path) -> dict[str, set[int]]:
    """Return the processes of each function, on the stack with this state directory.

    The emulator runs each of them from a file in a directory with the function's name.
    """
    found: dict[str, set[int]] = {name: set() for name in FUNCTIONS}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        for name in FUNCTIONS:
            if str(state) in command and f"-{name}-" in command:
                found[name].add(int(path.parent.name))
    return found


def used(pids: set[int]) -> float:
    """Return the CPU microseconds of some processes, in user and kernel mode.

    https://docs.kernel.org/scheduler/sched-stats.html: the first number of schedstat is in ns.
    """
    total = 0.0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0]) / 1e3
    return total


async def batch(provider: Provider, clients: Clients, kind: str, count: int) -> None:
    """Send results one at a time, and progress in groups; wait until each has arrived."""
    generations = provider.insert(count)
    if kind == "result":
        for generation in generations:
            answer = await provider.report(
                generation, status="COMPLETE", imageUrl="https://images.example.com/1.png"
            )
            await clients.all_of({answer["eventId"]})
        return
    for start in range(0, count, GROUP):
        group = generations[start : start + GROUP]
        wanted = clients.progress + len(group)
        reports = (provider.report(each, status="PENDING", progress=0.5) for each in group)
        await asyncio.gather(*reports)
        await clients.more_progress(wanted - 1)


async def measured(provider: Provider, clients: Clients, state: Path, count: int) -> Round:
    found: Round = {}
    for kind in ("result", "progress"):
        pids = processes(state)
        before = {name: used(pids[name]) for name in FUNCTIONS}
        await batch(provider, clients, kind, count)
        if processes(state) != pids:
            raise RoundSpoilt
        for name in FUNCTIONS:
            found[kind, name] = (used(pids[name]) - before[name]) / count
    return found


async def measure(
    env: Mapping[str, str], state: Path, reports: int, rounds: int, say: Callable[[str], None]
) -> Round:
    """Return the median of the rounds."""
    found: list[Round] = []
    clients = Clients(env)
    async with AsyncExitStack() as stack:
        await clients.open(stack)
        provider = Provider(env, clients.users)
        stack.push_async_callback(provider.http.aclose)
        for kind in ("result", "progress"):
            await batch(provider, clients, kind, 60)  # until the bytecode is specialized
        for _ in range(rounds + REPEATS):
            try:
                found.append(await measured(provider, clients, state, reports))
            except RoundSpoilt:
                continue
            say("  ".join(f"{' '.join(key)} {value:.0f}" for key, value in found[-1].items()))
            if len(found) == rounds:
                return {key: statistics.median(one[key] for one in found) for key in found[0]}
    raise SystemExit("the functions were started again in every round")


@contextlib.contextmanager
def own_stack() -> Iterator[Path]:
    """Run a stack, and yield its stack.env."""
    stack = Stack(BUILD / "stack", variables={"log_level": "INFO", "keep_outputs": False})
    print("→ starting a stack", flush=True)
    try:
        stack.up(owned=True)
        yield stack.env_file
    finally:
        stack.down()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack_cpu", description=__doc__)
    parser.add_argument(
        "stack_env", type=Path, nargs="?", help="stack.env of a running stack (make up)"
    )
    parser.add_argument("--reports", type=int, default=100, help="of each kind, per round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with contextlib.nullcontext(options.stack_env) if options.stack_env else own_stack() as env:
        found = asyncio.run(
            measure(
                stack_env.read(env),
                env.resolve().parent,
                options.reports,
                options.rounds,
                lambda text: print(f"→ {text}", flush=True),
            )
        )
    whole = {
        kind: found[kind, "callback"] + found[kind, "deliver"] for kind in ("result", "progress")
    }
    ratios = {
        "callback_cpu_vs_deliver": found["result", "callback"] / found["result", "deliver"],
        "progress_cost_vs_result": whole["progress"] / whole["result"],
    }
    for name, value in ratios.items():
        print(f"{name} = {value:.2f}")
    cpu = {" ".join(key): round(value, 1) for key, value in found.items()}
    add_path_results({"stack_cpu_us": cpu, **ratios})


if __name__ == "__main__":
    main()

"""Measures how much progress reports delay results on a running stack.

    python -m benchmarks.progress STACK_ENV [--results N] [--rate R] [--rounds N]

A result is timed from its webhook to its client, one at a time. Three kinds of rounds alternate:
without load; with R reports of progress a second for other generations; and with a control. In the
control, none of Herald's functions handles the load: the emulator gets as many signed requests a
second as R reports cause, each as large as an event of progress, for a topic without subscribers.
The benchmark prints the distributions and the steps of the slowest results, and adds the ratios to
build/bench/path.json. They compare medians of the rounds' p95, so that one round in which another
program used the machine does not decide.

Everything shares this machine: clients, emulator, functions, PostgreSQL. The emulator handles all
requests in one process, which AWS does not, so these ratios have no target (contention.py measures
the one that has). The p95 with progress divided by that of the control says what Herald itself
adds. The benchmark also prints how busy the machine and the emulator were, and how many copies of a
function were started.
"""

import argparse
import asyncio
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
import psycopg2

from benchmarks import add_path_results
from benchmarks.machine import Load, Machine
from benchmarks.path import CLIENTS, Clients, percentiles
from chalicelib.engine.http1 import Reader
from chalicelib.engine.sigv4 import Credentials, Signer
from local.emulator import Emulator
from tooling import stack_env
from tooling.providers import signing

RATIO = "stack_p95_under_progress"
AGAINST_CONTROL = "stack_p95_under_progress_vs_control"
RATE = 50  # reports of progress a second
SLOWEST = 3  # results whose steps are printed
ALONE, LOADED, CONTROL = "alone", "with progress", "control"
# Of each report in the emulator: the webhook and the publish; the invocation of `deliver`, its
# write, its read and its posts, of which the batches of ten share the first three.
REQUESTS = 3
PROGRESS_BYTES = 700


class Result(NamedTuple):
    """One result: its event, when its webhook was sent and answered, and when it arrived."""

    event_id: str
    sent: float
    answered: float
    arrived: float

    @property
    def milliseconds(self) -> float:
        return (self.arrived - self.sent) * 1000


class Provider:
    """An own generator that reports to the stack."""

    def __init__(self, env: Mapping[str, str], users: list[str]) -> None:
        self._url = env["HERALD_CALLBACK_URL"]
        self._keys = json.loads(Path(env["HERALD_PROVIDER_KEYS"]).read_text())["generations"]
        self._dsn = env["HERALD_DATABASE_URL"]
        self._users = users
        self.http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=32))
        self.refused = 0

    def insert(self, count: int) -> list[str]:
        """Insert PENDING generations; return their ids."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        connection = psycopg2.connect(self._dsn)
        with connection, connection.cursor() as cursor:
            for number, generation in enumerate(ids):
                cursor.execute(
                    "INSERT INTO herald.generations (id, user_id, prompt) VALUES (%s, %s, 'p')",
                    (generation, self._users[number % CLIENTS]),
                )
        connection.close()
        return ids

    async def report(self, generation: str, **fields: object) -> dict[str, Any]:
        """Send a signed report; return the answer."""
        body = json.dumps({"generationId": generation, **fields}).encode()
        signed = signing.sign(
            "generations",
            body,
            self._keys,
            generation_id=generation,
            delivery_id=f"msg_{uuid.uuid4().hex}",
            now=time.time(),
        )
        answer = await self.http.post(self._url, content=body, headers=signed.headers)
        self.refused += answer.status_code != 200
        found: dict[str, Any] = answer.json()
        return found

    def load(self, rate: int) -> AbstractAsyncContextManager[None]:
        """Report progress in the background, each generation every two seconds."""
        generations = self.insert(2 * rate)
        return repeated(
            rate,
            lambda number: self.report(
                generations[number % len(generations)], status="PENDING", progress=0.5
            ),
        )


class Control:
    """Requests to the emulator that cause no work of Herald: messages for an unused topic.

    They are all the same, are signed once, and are sent over plain sockets, so that they cost the
    emulator much more than the benchmark's own process.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        url, region = env["AWS_ENDPOINT_URL"], env["AWS_REGION"]
        key = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], None)
        self._address = urlsplit(url)
        self._sns = Emulator(self._address.port or 80, key.access_key, key.secret_key).client("sns")
        self._topic = self._sns.create_topic(Name=f"benchmark-{uuid.uuid4().hex}")["TopicArn"]
        form = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": self._topic}
        body = urlencode({**form, "Message": "x" * PROGRESS_BYTES}).encode()
        headers = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
        signer = Signer("sns", region, self._address.netloc)
        self._request = signer.request("POST", "/", headers, body, key, int(time.time()))
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def publish(self, number: int) -> None:
        """Publish a message that nobody receives."""
        host, port = self._address.hostname, self._address.port
        kept = self._idle.pop() if self._idle else await asyncio.open_connection(host, port)
        reader, writer = kept
        writer.write(self._request)
        parser, answer = Reader(), None
        while answer is None:
            if not (data := await reader.read(65_536)):
                raise SystemExit("the emulator closed a connection of the control")
            answer = parser.feed(data)
        if answer.status != 200:
            raise SystemExit(f"the control's request was refused: {answer}")
        self._idle.append(kept)

    @asynccontextmanager
    async def load(self, rate: int) -> AsyncIterator[None]:
        """Send as many requests as `rate` reports of progress cause.

        The connections are closed afterwards. The emulator would close them before the next round.
        """
        try:
            async with repeated(rate * REQUESTS, self.publish):
                yield
        finally:
            while self._idle:
                _, writer = self._idle.pop()
                writer.close()

    def close(self) -> None:
        self._sns.delete_topic(TopicArn=self._topic)


@asynccontextmanager
async def repeated(
    rate: float, call: Callable[[int], Coroutine[Any, Any, object]]
) -> AsyncIterator[None]:
    """Call in the background, `rate` times a second."""
    running = asyncio.create_task(keep_calling(rate, call))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def keep_calling(rate: float, call: Callable[[int], Coroutine[Any, Any, object]]) -> None:
    """Call `rate` times a second, with the number of the call, until cancelled."""
    async with asyncio.TaskGroup() as group:
        began, number = time.monotonic(), 0
        while True:
            group.create_task(call(number))
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))


async def results(provider: Provider, clients: Clients, count: int) -> list[Result]:
    """Send `count` results, one at a time, and wait for each."""
    found = []
    for generation in provider.insert(count):
        sent = time.time()
        answer = await provider.report(
            generation, status="COMPLETE", imageUrl="https://images.example.com/1.png"
        )
        answered = time.time()
        [arrived] = await clients.all_of({answer["eventId"]})
        found.append(Result(answer["eventId"], sent, answered, arrived))
        await asyncio.sleep(0.05)
    return found


class Measured(NamedTuple):
    """The results of all rounds with or without progress, and the machine's load in each round."""

    results: list[Result]
    loads: list[Load]
    p95: list[float]  # of each round, in milliseconds


async def measure(
    env: Mapping[str, str], machine: Machine, options: argparse.Namespace
) -> dict[str, Measured]:
    found = {name: Measured([], [], []) for name in (ALONE, LOADED, CONTROL)}
    clients = Clients(env)
    async with AsyncExitStack() as stack:
        await clients.open(stack)
        provider = Provider(env, clients.users)
        stack.push_async_callback(provider.http.aclose)
        control = Control(env)
        stack.callback(control.close)

        await results(provider, clients, 10)  # warm-up, also of the copies that the load needs
        async with provider.load(options.rate):
            await asyncio.sleep(options.settle)
            await results(provider, clients, 10)
        for _ in range(options.rounds):
            await _round(found[ALONE], provider, clients, machine, options.results)
            for name, load in ((LOADED, provider.load), (CONTROL, control.load)):
                async with load(options.rate):
                    await asyncio.sleep(2)
                    await _round(found[name], provider, clients, machine, options.results)
                await asyncio.sleep(1)  # until the last progress is delivered
        if provider.refused:
            raise SystemExit(f"{provider.refused} reports were refused")
    return found


async def _round(
    found: Measured, provider: Provider, clients: Clients, machine: Machine, count: int
) -> None:
    machine.begin()
    measured = await results(provider, clients, count)
    load = machine.end()
    found.results.extend(measured)
    found.loads.append(load)
    row = percentiles([result.milliseconds for result in measured])
    found.p95.append(row["p95"])
    print(f"→ p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   {load}", flush=True)


def steps(machine: Machine, result: Result) -> str:
    """Return the milliseconds from a result's webhook to each step of its way."""
    times = [*machine.requests_about(result.event_id), (result.answered, "answered")]
    times.append((result.arrived, "arrived"))
    return ", ".join(f"{name} {(at - result.sent) * 1000:.0f}" for at, name in sorted(times))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.progress", description=__doc__)
    parser.add_argument("stack_env", type=Path, help="stack.env of a running stack (make up)")
    parser.add_argument("--results", type=int, default=30, help="results per round")
    parser.add_argument("--rate", type=int, default=RATE, help="reports of progress a second")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--settle", type=float, default=10, help="seconds of warm-up under load")
    options = parser.parse_args()
    env = stack_env.read(options.stack_env)
    machine = Machine(options.stack_env.resolve().parent)
    found = asyncio.run(measure(env, machine, options))
    rows = {
        name: percentiles([result.milliseconds for result in measured.results])
        for name, measured in found.items()
    }
    for name, measured in found.items():
        print(f"Slowest {name}, ms from the webhook:")
        by_time = sorted(measured.results, key=lambda result: result.milliseconds)
        for result in by_time[-SLOWEST:]:
            print(f"  {steps(machine, result)}")
    for name, row in rows.items():
        print(f"  {name:14} p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   p99 {row['p99']:7.1f}")
    p95 = {name: statistics.median(measured.p95) for name, measured in found.items()}
    ratios = {
        RATIO: round(p95[LOADED] / p95[ALONE], 3),
        AGAINST_CONTROL: round(p95[LOADED] / p95[CONTROL], 3),
    }
    for name, ratio in ratios.items():
        print(f"{name} = {ratio}")
    if options.rate == RATE:
        loads = {name: [load._asdict() for load in each.loads] for name, each in found.items()}
        add_path_results({"progress_ms": rows, "progress_load": loads, **ratios})


if __name__ == "__main__":
    main()

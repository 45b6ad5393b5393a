"""Measures how much progress reports delay results on a running stack.

    python -m benchmarks.progress STACK_ENV [--results N] [--rate R] [--rounds N]

A result is timed from its webhook to its client, one at a time. In every second round, R reports
of progress a second arrive for other generations. The benchmark prints both distributions and adds
their ratio to build/bench/path.json.
"""

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from benchmarks import BUILD
from benchmarks.path import CLIENTS, Clients, percentiles
from tooling import stack_env
from tooling.providers import signing

RATIO = "results_p95_under_progress"


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

    async def keep_reporting(self, generations: list[str], rate: float) -> None:
        """Report progress of each generation in turn, `rate` reports a second, until cancelled."""
        async with asyncio.TaskGroup() as group:
            began, number = time.monotonic(), 0
            while True:
                generation = generations[number % len(generations)]
                group.create_task(self.report(generation, status="PENDING", progress=0.5))
                number += 1
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))


async def results(provider: Provider, clients: Clients, count: int) -> list[float]:
    """Return the milliseconds from webhook to client of `count` results."""
    taken = []
    for generation in provider.insert(count):
        began = time.time()
        answer = await provider.report(
            generation, status="COMPLETE", imageUrl="https://images.example.com/1.png"
        )
        [arrived] = await clients.all_of({answer["eventId"]})
        taken.append((arrived - began) * 1000)
        await asyncio.sleep(0.05)
    return taken


async def measure(env: Mapping[str, str], options: argparse.Namespace) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"alone": [], "with progress": []}
    clients = Clients(env)
    async with AsyncExitStack() as stack:
        await clients.open(stack)
        provider = Provider(env, clients.users)
        stack.push_async_callback(provider.http.aclose)
        await results(provider, clients, 10)  # warm-up
        for number in range(options.rounds):
            found["alone"] += await results(provider, clients, options.results)
            running = asyncio.create_task(
                provider.keep_reporting(provider.insert(2 * options.rate), options.rate)
            )
            await asyncio.sleep(2)  # until the load is steady
            found["with progress"] += await results(provider, clients, options.results)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            print(f"→ round {number + 1}/{options.rounds}", flush=True)
        if provider.refused:
            raise SystemExit(f"{provider.refused} reports were refused")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.progress", description=__doc__)
    parser.add_argument("stack_env", type=Path, help="stack.env of a running stack (make up)")
    parser.add_argument("--results", type=int, default=30, help="results per round")
    parser.add_argument("--rate", type=int, default=50, help="reports of progress a second")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    env = stack_env.read(options.stack_env)
    rows = {name: percentiles(v) for name, v in asyncio.run(measure(env, options)).items()}
    for name, row in rows.items():
        print(f"  {name:14} p50 {row['p50']:7.1f}   p95 {row['p95']:7.1f}   p99 {row['p99']:7.1f}")
    ratio = round(rows["with progress"]["p95"] / rows["alone"]["p95"], 3)
    print(f"{RATIO} = {ratio}")
    path = BUILD / "path.json"
    BUILD.mkdir(parents=True, exist_ok=True)
    kept = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**kept, "progress_ms": rows, RATIO: ratio}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Runs one client in this process: makes a number of posts and prints their cost as JSON.

    python -m benchmarks.peers VARIANT URL CONNECTIONS POSTS

Every client is warmed up before it is measured: its models are loaded and its connections are open,
as in a Lambda execution environment that has been invoked before.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from benchmarks import CLIENT_CORE, FRAME, connection_id

SERVICE: Final = "apigatewaymanagementapi"
INVOCATION = 10_000  # number of posts in one run of the engine


class Measured:
    """Measures the wall time and the CPU time of a block."""

    def __enter__(self) -> "Measured":
        self._cpu, self._wall = _cpu(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = _cpu() - self._cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


Peer = Callable[[str, int, int], tuple[Measured, Counter[int]]]


def herald(url: str, connections: int, posts: int) -> tuple[Measured, Counter[int]]:
    """Herald's engine."""
    from chalicelib.aws.gateway import Gateway
    from chalicelib.engine.engine import Engine, Response

    engine = Engine()
    gateway = Gateway(url, os.environ)
    gateway.endpoint.max_connections = connections
    statuses: Counter[int] = Counter()

    def then(result: Response) -> None:
        statuses[result.status] += 1

    def post(numbers: range) -> None:
        for number in numbers:
            engine.submit(gateway.post(connection_id(number), FRAME), then)
        engine.run(time.monotonic() + 600)

    post(range(2 * connections))
    statuses.clear()
    with Measured() as measured:
        for first in range(0, posts, INVOCATION):
            post(range(first, min(first + INVOCATION, posts)))
    return measured, statuses


def _boto3_client(url: str, connections: int) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(SERVICE, endpoint_url=url, config=Config(max_pool_connections=connections))


def _boto3_post(client: Any, number: int) -> int:
    try:
        answer = client.post_to_connection(ConnectionId=connection_id(number), Data=FRAME)
    except client.exceptions.ClientError as exc:
        answer = exc.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def boto3_loop(url: str, connections: int, posts: int) -> tuple[Measured, Counter[int]]:
    """boto3 in a loop."""
    client = _boto3_client(url, 1)
    for number in range(10):
        _boto3_post(client, number)
    statuses: Counter[int] = Counter()
    with Measured() as measured:
        for number in range(posts):
            statuses[_boto3_post(client, number)] += 1
    return measured, statuses


def boto3_threads(url: str, connections: int, posts: int) -> tuple[Measured, Counter[int]]:
    """boto3 in a thread pool, with one pooled connection per thread."""
    from concurrent.futures import ThreadPoolExecutor

    client = _boto3_client(url, connections)
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda number: _boto3_post(client, number), range(2 * connections)))
        with Measured() as measured:
            statuses = Counter(pool.map(lambda number: _boto3_post(client, number), range(posts)))
    return measured, statuses


def aiobotocore(url: str, connections: int, posts: int) -> tuple[Measured, Counter[int]]:
    """aiobotocore, the AWS SDK for asyncio."""
    return asyncio.run(_aiobotocore(url, connections, posts))


async def _aiobotocore(url: str, connections: int, posts: int) -> tuple[Measured, Counter[int]]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    statuses: Counter[int] = Counter()
    config = AioConfig(max_pool_connections=connections)
    async with get_session().create_client(SERVICE, endpoint_url=url, config=config) as client:

        async def work(numbers: Any) -> None:
            for number in numbers:
                try:
                    answer = await client.post_to_connection(
                        ConnectionId=connection_id(number), Data=FRAME
                    )
                except client.exceptions.ClientError as exc:
                    answer = exc.response
                statuses[int(answer["ResponseMetadata"]["HTTPStatusCode"])] += 1

        async def post(count: int) -> None:
            numbers = iter(range(count))
            await asyncio.gather(*(work(numbers) for _ in range(connections)))

        await post(2 * connections)
        statuses.clear()
        with Measured() as measured:
            await post(posts)
    return measured, statuses


PEERS: dict[str, Peer] = {
    peer.__name__: peer for peer in (herald, boto3_loop, boto3_threads, aiobotocore)
}


def main(variant: str, url: str, connections: int, posts: int) -> None:
    os.sched_setaffinity(0, {CLIENT_CORE})
    measured, statuses = PEERS[variant](url, connections, posts)
    print(
        json.dumps(
            {
                "posts": posts,
                "seconds": measured.wall,
                "cpu_us": measured.cpu / posts * 1e6,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "statuses": statuses,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

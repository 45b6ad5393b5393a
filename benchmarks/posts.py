"""Measures posts to open connections with the engine and other clients, in interleaved rounds."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import BUILD, FRAME, TOKEN
from benchmarks.stand import BenchmarkError, run, standin

NODE = BUILD / "node"
GONE_EVERY = 100
DELAY_MS = 10.0  # delay of the service in the TLS scenario


class Client(NamedTuple):
    """A client, its number of connections, and its numbers of posts over plain HTTP and over
    TLS.
    """

    title: str
    connections: int
    plain: int
    tls: int


CLIENTS = {
    "floor": Client("C, epoll (lower bound)", 64, 50_000, 0),
    "herald": Client("Herald's engine", 64, 20_000, 0),
    "herald_tls": Client("Herald's engine", 128, 0, 20_000),
    "herald_256_tls": Client("Herald's engine, 256", 256, 0, 20_000),
    "aiobotocore": Client("aiobotocore", 64, 1500, 1500),
    "node": Client("AWS SDK v3 of Node", 64, 2500, 2500),
    "boto3_threads": Client("boto3, 64 threads", 64, 1500, 1500),
    "boto3_loop": Client("boto3 in a loop", 1, 800, 150),
}


def measure(rounds: int, scale: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Run all clients one after the other; return the runs of each.

    Every second round has the reverse order, so that no client benefits from its place.
    """
    found: dict[str, Any] = {"plain": {}, "tls": {}}
    for number in range(rounds):
        for scenario, delay_ms in (("plain", 0.0), ("tls", DELAY_MS)):
            order = list(CLIENTS)[:: -1 if number % 2 else 1]
            for name in order:
                count = int(getattr(CLIENTS[name], scenario) * scale)
                if not count:
                    continue
                with standin(
                    delay_ms=delay_ms, tls=scenario == "tls", gone_every=GONE_EVERY
                ) as url:
                    result = _run(name, url, CLIENTS[name].connections, count)
                result["title"] = CLIENTS[name].title
                result["connections"] = CLIENTS[name].connections
                result["rate"] = result["posts"] / result["seconds"]
                found[scenario].setdefault(name.removesuffix("_tls"), []).append(result)
                say(
                    f"round {number + 1} {scenario:5} {name:14}"
                    f" {result['cpu_us']:8.1f} µs CPU {result['rate']:9.0f} posts/s"
                )
    return found


def _run(name: str, url: str, connections: int, posts: int) -> dict[str, Any]:
    if name == "floor":
        port = url.rpartition(":")[2]
        command = [str(BUILD / "floor"), port, str(connections), str(posts)]
        result: dict[str, Any] = run([*command, str(len(FRAME)), str(len(TOKEN))])
        return result
    arguments = [f"{url}/prod", str(connections), str(posts)]
    if name == "node":
        result = run(["node", "posts.mjs", *arguments], cwd=NODE)
    else:
        variant = name.removesuffix("_tls").removesuffix("_256")
        result = run([sys.executable, "-m", "benchmarks.peers", variant, *arguments])
    statuses = {int(status): count for status, count in result["statuses"].items()}
    if set(statuses) - {200, 410} or sum(statuses.values()) != posts:
        raise BenchmarkError(f"{name} got unexpected statuses: {statuses}")
    return result


def prepare_node() -> bool:
    """Install the AWS SDK for Node.js in build/; return False if Node.js is missing."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        return False
    source = BUILD.parent.parent / "benchmarks" / "node"
    NODE.mkdir(parents=True, exist_ok=True)
    lock = NODE / "package-lock.json"
    fresh = not lock.is_file() or lock.read_bytes() != (source / lock.name).read_bytes()
    for name in ("package.json", "package-lock.json", ".npmrc", "posts.mjs"):
        shutil.copy(source / name, NODE / name)
    if fresh or not (NODE / "node_modules").is_dir():
        command = [npm, "ci", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"npm ci failed:\n{done.stderr[-2000:]}")
    return True

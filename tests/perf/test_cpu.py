"""Compares the engine's CPU time with other clients. The limits are ratios with a wide margin, and
wall time is not compared.

`make bench` measures the same values more carefully. These tests detect only large regressions.
"""

import os
import shutil
import statistics
import subprocess
import sys

import pytest

from benchmarks import BUILD, FRAME, ROOT, TOKEN, stand

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2,
    reason="needs a C compiler and two cores",
)
ROUNDS = 3


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    """Return the CPU microseconds per post of each client, as medians of interleaved rounds."""
    stand.build()
    runs: dict[str, list[float]] = {"floor": [], "herald": [], "boto3_loop": []}
    with stand.standin(gone_every=100) as url:
        floor = [str(BUILD / "floor"), url.rpartition(":")[2], "64", "20000"]
        floor += [str(len(FRAME)), str(len(TOKEN))]
        peer = [sys.executable, "-m", "benchmarks.peers"]
        for _ in range(ROUNDS):
            runs["floor"].append(stand.run(floor)["cpu_us"])
            runs["herald"].append(stand.run([*peer, "herald", url, "64", "5000"])["cpu_us"])
            runs["boto3_loop"].append(stand.run([*peer, "boto3_loop", url, "1", "150"])["cpu_us"])
    return {name: statistics.median(values) for name, values in runs.items()}


def test_a_post_costs_a_small_fraction_of_boto3s(measured: dict[str, float]) -> None:
    assert measured["boto3_loop"] / measured["herald"] >= 30, measured


def test_a_post_costs_a_small_multiple_of_the_c_floor(measured: dict[str, float]) -> None:
    assert measured["herald"] / measured["floor"] <= 2.5, measured


HEAVY = {"asyncio", "boto3", "botocore", "email", "http", "jwt", "pydantic", "psycopg2", "urllib3"}


@pytest.mark.parametrize("function", ["deliver", "connect", "message", "disconnect"])
def test_functions_on_the_hot_path_import_nothing_heavy(function: str) -> None:
    handler = {"_HANDLER": f"app.{function}"}
    assert not loaded("import app", **handler) & HEAVY


def test_the_authorizers_own_modules_import_nothing_heavy() -> None:
    modules = "chalicelib.sessions.authorize, chalicelib.sessions.tokens, chalicelib.store.api_keys"
    assert not loaded(f"import app, {modules}") & HEAVY


def loaded(code: str, **environment: str) -> set[str]:
    """Return the modules that a new process has loaded after it ran some code."""
    printed = subprocess.check_output(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        env=stand.client_environment(**environment, **stand.FUNCTION),
        text=True,
    )
    return set(printed.split())

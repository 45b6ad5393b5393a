"""Compares the imports in a function's cold start with a typical set of imports.

As on Lambda, _HANDLER names the function, and `import app` loads the modules that it needs.
"""

import os
import subprocess
import sys
from collections.abc import Callable

from benchmarks import ROOT
from benchmarks.stand import FUNCTION, BenchmarkError, client_environment

CASES = {
    "bare": "",
    "deliver": "import app",
    "connect": "import app",
    "message": "import app",
    "authorize": "import app",
    "typical": """
import chalice, boto3, psycopg2, jwt
from aws_lambda_powertools import Logger, Metrics
from pydantic import BaseModel
class Message(BaseModel):
    prompt: str
    status: str
logger, metrics = Logger(service="x"), Metrics(namespace="x")
for service in ("apigatewaymanagementapi", "dynamodb", "sns"):
    boto3.client(service, endpoint_url="http://127.0.0.1:9")
""",
}


def measure(rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Return the CPU milliseconds of whole processes, measured in interleaved rounds.

    A first round, which is not measured, compiles the bytecode.
    """
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for number in range(rounds + 1):
        for name, code in CASES.items():
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=client_environment(_HANDLER=f"app.{name}", **FUNCTION),
                stdout=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise BenchmarkError(f"importing {name} failed")
            if number:
                found[name].append((used.ru_utime + used.ru_stime) * 1e3)
    for name, times in found.items():
        say(f"imports {name:10} {sorted(times)[len(times) // 2]:7.1f} ms")
    return found

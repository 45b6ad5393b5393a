"""One JSON line per log entry and per set of metrics (CloudWatch Embedded Metric Format).

Written to standard output, which Lambda sends to the function's log group. The metric format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Tokens, signatures and prompts never come here.
"""

import json
import os
import sys
import time

NAMESPACE = "Herald"
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def info(message: str, **fields: object) -> None:
    """Log what happened, as a fixed phrase with its data as fields."""
    _log("INFO", message, fields)


def warning(message: str, **fields: object) -> None:
    """Log what was survived."""
    _log("WARNING", message, fields)


def error(message: str, **fields: object) -> None:
    """Log what a person must look at."""
    _log("ERROR", message, fields)


def metrics(*, properties: dict[str, object] | None = None, **values: float | list[float]) -> None:
    """Emit metrics in one line: a name ending in Ms is milliseconds, in Seconds seconds, else a
    count.

    A list of numbers (100 at most) is a distribution, for percentiles.
    """
    stage = os.environ.get("HERALD_STAGE", "")
    definitions = [{"Name": name, "Unit": _unit(name)} for name in values]
    _write(
        {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": definitions}
                ],
            },
            "Stage": stage,
            **(properties or {}),
            **values,
        }
    )


def _unit(name: str) -> str:
    if name.endswith("Ms"):
        return "Milliseconds"
    return "Seconds" if name.endswith("Seconds") else "Count"


def _log(level: str, message: str, fields: dict[str, object]) -> None:
    wanted = os.environ.get("HERALD_LOG_LEVEL", "INFO")
    if _LEVELS[level] >= _LEVELS.get(wanted, 20):
        _write({"level": level, "message": message, **fields})


def _write(entry: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(entry, default=str, separators=(",", ":")) + "\n")
    sys.stdout.flush()

"""Writes log entries and metrics as JSON lines (CloudWatch Embedded Metric Format).

Lines go to standard output, which Lambda sends to the function's log group. Each byte is billed, so
a call in which nothing is wrong writes at most its metrics, and a metric whose value is 0 is not
sent. Tokens, signatures and prompts are never logged. The metric format is specified in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import time
from collections.abc import Mapping
from zlib import crc32

from chalicelib.metrics import Metric

NAMESPACE = "Herald"
LONGEST_DISTRIBUTION = 100  # the maximum number of values of a metric in one line
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode
_stage = ""
_level = _LEVELS["INFO"]
_sampled_percent = 0


def configure(stage: str, level: str, sampled_percent: int = 0) -> None:
    """Set the stage for metrics, the lowest severity that is logged, and the share of generations
    whose DEBUG lines are logged at any level.
    """
    global _stage, _level, _sampled_percent
    _stage, _level = stage, _LEVELS.get(level, _LEVELS["INFO"])
    _sampled_percent = sampled_percent


def detailed(generation_id: str | None) -> bool:
    """Return whether DEBUG lines about a generation are logged.

    Every function samples the same generations, so the log has their whole paths.
    """
    if _level <= _LEVELS["DEBUG"]:
        return True
    if not _sampled_percent:
        return False
    return crc32((generation_id or "").encode()) % 100 < _sampled_percent


def debug(message: str, **fields: object) -> None:
    """Log a normal event that only somebody who looks for it would read.

    Call it only if `detailed` is true.
    """
    _write({"level": "DEBUG", "message": message, **fields})


def info(message: str, **fields: object) -> None:
    """Log a normal event. The message is a fixed phrase; variable data goes into fields."""
    _log("INFO", message, fields)


def warning(message: str, **fields: object) -> None:
    """Log a fault that was handled."""
    _log("WARNING", message, fields)


def error(message: str, **fields: object) -> None:
    """Log a fault that a person must examine."""
    _log("ERROR", message, fields)


def emit(
    values: Mapping[Metric, float | list[float]], provider: str | None = None, **fields: object
) -> None:
    """Emit metrics in one line, or nothing if there are none. A list of numbers is a distribution,
    from which CloudWatch computes percentiles. With a provider, each metric also exists for that
    provider alone. Only the log shows the fields.
    """
    if not values:
        return
    dimensions = [["Stage"]] if provider is None else [["Stage"], ["Stage", "Provider"]]
    definitions = [{"Name": metric.name, "Unit": metric.unit} for metric in values]
    _write(
        {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions}
                ],
            },
            "Stage": _stage,
            **({} if provider is None else {"Provider": provider}),
            **{
                metric.name: value[:LONGEST_DISTRIBUTION] if isinstance(value, list) else value
                for metric, value in values.items()
            },
            **fields,
        }
    )


def _log(level: str, message: str, fields: Mapping[str, object]) -> None:
    if _LEVELS[level] >= _level:
        _write({"level": level, "message": message, **fields})


def _write(entry: Mapping[str, object]) -> None:
    sys.stdout.write(_encode(entry) + "\n")
    sys.stdout.flush()

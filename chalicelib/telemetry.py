"""Writes log entries and metrics as JSON lines (CloudWatch Embedded Metric Format).

Lines go to standard output, which Lambda sends to the function's log group. Tokens, signatures and
prompts are never logged. The metric format is specified in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import sys
import time
from collections.abc import Mapping

from chalicelib.metrics import Metric

NAMESPACE = "Herald"
LONGEST_DISTRIBUTION = 100  # the maximum number of values of a metric in one line
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode
_stage = ""
_level = _LEVELS["INFO"]


def configure(stage: str, level: str) -> None:
    """Set the stage for metrics and the lowest severity that is logged."""
    global _stage, _level
    _stage, _level = stage, _LEVELS.get(level, _LEVELS["INFO"])


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
    values: Mapping[Metric, float | list[float]], properties: Mapping[str, object] | None = None
) -> None:
    """Emit metrics in one line. A list of numbers is a distribution, from which CloudWatch computes
    percentiles.
    """
    definitions = [{"Name": metric.name, "Unit": metric.unit} for metric in values]
    _write(
        {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": definitions}
                ],
            },
            "Stage": _stage,
            **(properties or {}),
            **{
                metric.name: value[:LONGEST_DISTRIBUTION] if isinstance(value, list) else value
                for metric, value in values.items()
            },
        }
    )


def _log(level: str, message: str, fields: Mapping[str, object]) -> None:
    if _LEVELS[level] >= _level:
        _write({"level": level, "message": message, **fields})


def _write(entry: Mapping[str, object]) -> None:
    sys.stdout.write(_encode(entry) + "\n")
    sys.stdout.flush()

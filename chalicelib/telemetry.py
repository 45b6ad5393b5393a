"""One JSON line per log entry and per set of metrics (CloudWatch Embedded Metric Format).

Written to standard output, which Lambda sends to the function's log group. The metric format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Tokens, signatures and prompts are never logged.
"""

import json
import sys
import time
from collections.abc import Mapping

from chalicelib.metrics import Metric

NAMESPACE = "Herald"
LONGEST_DISTRIBUTION = 100  # values that one line may hold for a metric
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
_stage = ""
_level = _LEVELS["INFO"]


def configure(stage: str, level: str) -> None:
    """Set the stage that metrics carry, and the least severe level that is logged."""
    global _stage, _level
    _stage, _level = stage, _LEVELS.get(level, _LEVELS["INFO"])


def info(message: str, **fields: object) -> None:
    """Log a normal event: a fixed phrase, with its data as fields."""
    _log("INFO", message, fields)


def warning(message: str, **fields: object) -> None:
    """Log a fault that was handled."""
    _log("WARNING", message, fields)


def error(message: str, **fields: object) -> None:
    """Log a fault that a person must look at."""
    _log("ERROR", message, fields)


def emit(
    values: Mapping[Metric, float | list[float]], properties: Mapping[str, object] | None = None
) -> None:
    """Emit metrics in one line; a list of numbers is a distribution, for percentiles."""
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
    sys.stdout.write(json.dumps(entry, default=str, separators=(",", ":")) + "\n")
    sys.stdout.flush()

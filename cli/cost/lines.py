"""The lines of the bill, and those that several groups of costs have in common."""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from cli.cost.inputs import Inputs
from cli.cost.volumes import DAYS

GROUPS = ("notifications", "connections", "outputs", "lookups", "deployment")
Group = Literal["notifications", "connections", "outputs", "lookups", "deployment"]

GB = 1e9
INDEX_OVERHEAD = 100  # bytes of an item, DynamoDB's own for storage


class Line(NamedTuple):
    """One line of the bill."""

    group: Group
    service: str
    what: str
    quantity: float
    price: str  # name of the price in PRICES
    amount: float  # dollars per month


def to_line(group: Group, service: str, what: str, quantity: float, price: str) -> Line:
    """Return a line whose amount is not known yet."""
    return Line(group, service, what, quantity, price, 0.0)


def call_lines(group: Group, given: Inputs, name: str, count: float) -> Iterator[Line]:
    """Yield the lines of a function's calls."""
    milliseconds = math.ceil(given.durations[name]) + given.cold_share * given.cold_ms
    yield to_line(group, "Lambda", f"{name}: calls", count, "lambda-request")
    yield function_time(group, given, name, f"{name}: time", count * milliseconds / 1000)


def function_time(group: Group, given: Inputs, name: str, what: str, seconds: float) -> Line:
    """Return the line of some seconds in which a function runs."""
    memory = given.memory[name.partition("-")[0]]
    price = "lambda-gb-second" + ("-arm" if given.architecture == "arm64" else "")
    return to_line(group, "Lambda", what, seconds * memory / 1024, price)


def log_lines(group: Group, given: Inputs, logged: float) -> Iterator[Line]:
    """Yield the lines of some bytes in the log."""
    written = logged / GB
    yield to_line(group, "CloudWatch", "logs written", written, "log-ingestion")
    yield to_line(group, "CloudWatch", "logs kept", written * given.log_days / DAYS, "log-storage")

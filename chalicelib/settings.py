"""What each function is told by its environment: field `x_y` is the variable HERALD_X_Y.

The same names stand in infra/<function>.tf; tests/infra checks that both agree. Nothing is read at
import: `chalice package` imports app.py without an environment.
"""

import os
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_type_hints

from chalicelib.errors import SettingError

PREFIX = "HERALD_"


class Outbox(NamedTuple):
    """Where `callback` and `relay` record, publish and raise alarms."""

    database_secret_arn: str
    topic_arn: str
    error_topic_arn: str


class Callback(NamedTuple):
    """The webhook receiver, beside Outbox."""

    stage: str
    webhook_secret_arn: str


class Relay(NamedTuple):
    """The sweeper of the outbox, beside Outbox."""

    stage: str
    outbox_retention_days: int


class Deliver(NamedTuple):
    """The consumer of the queue."""

    stage: str
    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    management_endpoint: str
    posts_per_second: int
    max_receive_count: int


class Tokens(NamedTuple):
    """How tokens are verified; `jwt_jwks_url` is empty when the key is in the secret."""

    jwt_algorithm: str
    jwt_secret_arn: str
    jwt_jwks_url: str
    jwt_issuer: str
    jwt_audience: str


class Authorize(NamedTuple):
    """The authorizer, beside Tokens; origins are separated by commas."""

    stage: str
    api_keys_table: str
    allowed_origins: str


class Connections(NamedTuple):
    """`connect` and `disconnect`."""

    stage: str
    connections_table: str


class Message(NamedTuple):
    """The client's frames, beside Tokens."""

    stage: str
    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    management_endpoint: str


S = TypeVar("S")

_MAY_BE_EMPTY = {"jwt_jwks_url", "jwt_secret_arn", "allowed_origins"}


def load(kind: type[S]) -> S:
    """Read one of the settings above from the environment, once per process.

    Raises
    ------
    SettingError
        Names every variable that is missing or not a number.
    """
    found: S = _read(kind)  # type: ignore[arg-type] # a class is hashable
    return found


@cache
def _read(kind: type[Any]) -> Any:
    values: dict[str, str | int] = {}
    wrong: list[str] = []
    for field, wanted in get_type_hints(kind).items():
        name = PREFIX + field.upper()
        text = os.environ.get(name, "")
        if not text and field not in _MAY_BE_EMPTY:
            wrong.append(f"{name} is not set")
        elif wanted is int and not text.isdigit():
            wrong.append(f"{name} is not a whole number: {text!r}")
        else:
            values[field] = int(text) if wanted is int else text
    if wrong:
        raise SettingError("; ".join(wrong) + " (see infra/ for what each function is given)")
    return kind(**values)

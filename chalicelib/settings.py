"""The settings of each function. Field `x_y` is read from the environment variable HERALD_X_Y.

Terraform sets these variables in infra/<function>.tf, and app/.chalice/config.json lists them for
Chalice. Tests compare all three. Settings are not read at import time, because `chalice package`
imports app.py without these variables.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeVar

from chalicelib.errors import SettingError

PREFIX = "HERALD_"


class Common(Protocol):
    """The settings that all functions have."""

    @property
    def stage(self) -> str:
        """The stage of the deployment, which events and metrics include."""

    @property
    def log_level(self) -> str:
        """The lowest severity that is logged; INFO if empty."""


class Callback(NamedTuple):
    """Receives webhooks."""

    stage: str
    log_level: str
    database_secret_arn: str
    webhook_secret_arn: str
    topic_arn: str
    error_topic_arn: str


class Relay(NamedTuple):
    """Publishes the outbox."""

    stage: str
    log_level: str
    database_secret_arn: str
    topic_arn: str
    error_topic_arn: str
    outbox_retention_days: int


class Deliver(NamedTuple):
    """Consumes the queue; `posts_per_second` is the limit of one Lambda execution environment."""

    stage: str
    log_level: str
    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    management_endpoint: str
    posts_per_second: int
    max_receive_count: int


class Authorize(NamedTuple):
    """Authorizes connections.

    `jwt_jwks_url` is empty if the key is in the secret. `allowed_origins` is a comma-separated
    list.
    """

    stage: str
    log_level: str
    jwt_algorithm: str
    jwt_secret_arn: str
    jwt_jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    api_keys_table: str
    allowed_origins: str


class Connect(NamedTuple):
    """Stores new connections."""

    stage: str
    log_level: str
    connections_table: str


class Disconnect(NamedTuple):
    """Deletes closed connections."""

    stage: str
    log_level: str
    connections_table: str


class Message(NamedTuple):
    """Answers client frames; the JWT settings are those of Authorize."""

    stage: str
    log_level: str
    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    management_endpoint: str
    jwt_algorithm: str
    jwt_secret_arn: str
    jwt_jwks_url: str
    jwt_issuer: str
    jwt_audience: str


FUNCTIONS = {  # settings classes by handler name
    "authorize": Authorize,
    "callback": Callback,
    "connect": Connect,
    "deliver": Deliver,
    "disconnect": Disconnect,
    "message": Message,
    "relay": Relay,
}

S = TypeVar("S")

_MAY_BE_EMPTY = {"allowed_origins", "jwt_jwks_url", "jwt_secret_arn", "log_level"}


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Read one function's settings from its environment.

    Raises
    ------
    SettingError
        The error names every variable that is missing or not a number.
    """
    values: dict[str, str | int] = {}
    wrong: list[str] = []
    for field, wanted in kind.__annotations__.items():
        name = variable(field)
        text = environ.get(name, "")
        if not text and field not in _MAY_BE_EMPTY:
            wrong.append(f"{name} is not set")
        elif wanted is int and not text.isdigit():
            wrong.append(f"{name} is not a whole number: {text!r}")
        else:
            values[field] = int(text) if wanted is int else text
    if wrong:
        raise SettingError("; ".join(wrong) + " (infra/ shows what each function is given)")
    return kind(**values)


def fields(function: str) -> list[str]:
    """Return the names of a function's settings."""
    return list(FUNCTIONS[function].__annotations__)


def variable(field: str) -> str:
    """Return the environment variable of a settings field."""
    return PREFIX + field.upper()

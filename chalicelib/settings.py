"""The settings of each function. Field `x_y` is read from the environment variable HERALD_X_Y.

Terraform sets these variables in infra/<function>.tf, and app/.chalice/config.json lists them for
Chalice. Tests compare all three. Settings are not read at import time, because `chalice package`
imports app.py without these variables.
"""

from collections.abc import Mapping
from typing import TypeVar

from chalicelib.errors import SettingError

PREFIX = "HERALD_"


class Common:
    """The settings of every function. These classes have only annotations, so they load quickly."""

    stage: str  # of the deployment; events and metrics contain it
    log_level: str  # the least severe level that is logged; INFO when empty
    # the share of generations whose whole path is logged, as at DEBUG; 0 when empty
    log_sample_percent: int

    def __init__(self, **values: str | int) -> None:
        self.__dict__.update(values)


class Recording(Common):
    """The settings of functions that use PostgreSQL and publish events."""

    database_secret_arn: str
    database_schema: str
    topic_arn: str
    error_topic_arn: str
    # of kept outputs; empty if outputs are not kept
    outputs_table: str
    outputs_secret_arn: str
    outputs_url: str  # the address that all links begin with
    output_retention_days: int
    fetch_hosts: str  # only on the local stack: hosts with http and private addresses


class Outputs(Common):
    """The settings of functions that serve kept outputs."""

    outputs_table: str
    outputs_secret_arn: str
    outputs_bucket: str
    output_retention_days: int
    fetch_hosts: str


class Jwt(Common):
    """The settings of functions that verify JWTs."""

    jwt_algorithm: str
    jwt_secret_arn: str
    jwt_jwks_url: str  # empty if the key is in the secret
    jwt_issuer: str
    jwt_audience: str


class Callback(Recording):
    """Receives webhooks."""

    providers_secret_arn: str
    reconcile_function: str
    webhook_secret_arn: str


class Relay(Recording):
    """Publishes the outbox."""

    inbox_table: str
    outbox_retention_days: int


class Reconcile(Recording):
    """Looks generations up at their providers."""

    generation_deadline_seconds: int  # 0 for none
    output_max_megabytes: int
    outputs_bucket: str  # empty if outputs are not kept
    provider_apis: str  # JSON: other addresses of providers' APIs; empty for none
    providers_secret_arn: str


class Deliver(Common):
    """Consumes the queue."""

    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    management_endpoint: str
    posts_per_second: int  # the limit of one execution environment
    max_receive_count: int


class Authorize(Jwt):
    """Authorizes connections."""

    api_keys_table: str
    allowed_origins: str  # separated by commas


class Connect(Common):
    """Stores new connections, and closes the oldest of a user who has too many."""

    connections_table: str
    management_endpoint: str
    max_connections_per_user: int


class Disconnect(Common):
    """Forgets closed connections."""

    connections_table: str


class Message(Jwt):
    """Answers client frames."""

    connections_table: str
    inbox_table: str
    inbox_retention_days: int
    keepalive_ms: int  # the interval of clients' keepalives; 0 if the API has no such route
    management_endpoint: str
    reconcile_function: str


class Keep(Outputs):
    """Copies outputs."""

    keep_queue_url: str
    max_receive_count: int
    output_max_megabytes: int


class Link(Outputs):
    """Answers the links of outputs."""


FUNCTIONS: dict[str, type[Common]] = {  # by handler name
    "authorize": Authorize,
    "callback": Callback,
    "connect": Connect,
    "deliver": Deliver,
    "disconnect": Disconnect,
    "keep": Keep,
    "link": Link,
    "message": Message,
    "reconcile": Reconcile,
    "relay": Relay,
}

S = TypeVar("S", bound=Common)

_MAY_BE_EMPTY = {
    *("allowed_origins", "fetch_hosts", "jwt_jwks_url", "jwt_secret_arn"),
    *("log_level", "log_sample_percent"),
    *("outputs_bucket", "outputs_secret_arn", "outputs_table", "outputs_url"),
    "provider_apis",
}


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Read one function's settings from its environment.

    Raises
    ------
    SettingError
        The error names every variable that is missing or not a number.
    """
    values: dict[str, str | int] = {}
    wrong: list[str] = []
    for field, wanted in _types(kind).items():
        name = variable(field)
        text = environ.get(name, "")
        if not text and field not in _MAY_BE_EMPTY:
            wrong.append(f"{name} is not set")
        elif wanted is int and text and not text.isdigit():
            wrong.append(f"{name} is not a whole number: {text!r}")
        else:
            values[field] = int(text or 0) if wanted is int else text
    if wrong:
        raise SettingError("; ".join(wrong) + " (infra/<function>.tf sets them)")
    return kind(**values)


def fields(function: str) -> list[str]:
    """Return the names of a function's settings."""
    return list(_types(FUNCTIONS[function]))


def variable(field: str) -> str:
    """Return the environment variable of a settings field."""
    return PREFIX + field.upper()


def _types(kind: type[Common]) -> dict[str, type]:
    found: dict[str, type] = {}
    for base in reversed(kind.__mro__):
        found |= vars(base).get("__annotations__", {})
    return found

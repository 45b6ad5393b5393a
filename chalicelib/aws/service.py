"""AWS services called through the engine: where they are, and JSON calls to them.

Endpoints follow the SDKs' rules: AWS_ENDPOINT_URL_<SERVICE>, then AWS_ENDPOINT_URL, then the
Region's own.
"""

import json
import os
import re
import time
from functools import cache
from typing import Any, NamedTuple

from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.errors import ServiceError

CALL_SECONDS = 5.0
_encode = json.JSONEncoder(separators=(",", ":")).encode
# A batch's answer that is not empty there; within an item's text the quotes would be escaped.
_UNPROCESSED = re.compile(rb'"Unprocessed(?:Items|Keys)"\s*:\s*\{\s*"')
_THROTTLED = (
    b"ProvisionedThroughputExceededException",
    b"ThrottlingException",
    b"RequestLimitExceeded",
    b"InternalServerError",
)


class Service(NamedTuple):
    """An AWS service that speaks JSON: its signing name, its setting's suffix, its protocol."""

    name: str
    setting: str
    target: str
    version: str


DYNAMODB = Service("dynamodb", "DYNAMODB", "DynamoDB_20120810", "1.0")
SECRETS_MANAGER = Service("secretsmanager", "SECRETS_MANAGER", "secretsmanager", "1.1")


@cache
def engine() -> Engine:
    """Return the process's engine; its sockets outlive the invocation."""
    return Engine()


@cache
def endpoint(service: Service) -> Endpoint:
    """Return the process's endpoint of a service."""
    url = os.environ.get(f"AWS_ENDPOINT_URL_{service.setting}") or os.environ.get(
        "AWS_ENDPOINT_URL"
    )
    region = os.environ["AWS_REGION"]
    return Endpoint(
        url or f"https://{service.name}.{region}.amazonaws.com",
        service.name,
        region,
        retryable=_worth_another_try,
    )


def request(service: Service, operation: str, payload: dict[str, Any]) -> Request:
    """Return the request of one operation."""
    return request_of(service, operation, _encode(payload).encode())


def request_of(service: Service, operation: str, body: bytes) -> Request:
    """Return the request of one operation whose payload is JSON already."""
    return Request(
        endpoint(service),
        "POST",
        "/",
        body,
        (
            ("content-type", f"application/x-amz-json-{service.version}"),
            ("x-amz-target", f"{service.target}.{operation}"),
        ),
    )


def answer(service: Service, result: Response) -> dict[str, Any]:
    """Return what a service answered.

    Raises
    ------
    ServiceError
        It answered with an error, or not at all.
    """
    if result.status == 200:
        return json.loads(result.body)  # type: ignore[no-any-return]
    raise ServiceError(service.name, result.status, error_code(result))


def error_code(result: Response) -> str:
    """Return the error's type as AWS names it, or why there was no answer."""
    if not result.status:
        return result.reason
    try:
        return str(json.loads(result.body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return result.reason or f"HTTP {result.status}"


def _worth_another_try(status: int, body: bytes) -> bool:
    # They answer 400 when they throttle, and 200 with what a batch had no room for.
    if status == 200:
        return _UNPROCESSED.search(body) is not None
    return (
        status >= 500
        or status == 429
        or (status == 400 and any(code in body for code in _THROTTLED))
    )


def call(service: Service, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Do one operation and return its answer; raises ServiceError."""
    return answer(service, engine().call(request(service, operation, payload), CALL_SECONDS))


def together(service: Service, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Do several operations at once and return their answers in order; raises the first
    ServiceError.
    """
    results: list[Response | None] = [None] * len(calls)
    for index, (operation, payload) in enumerate(calls):
        engine().submit(
            request(service, operation, payload),
            lambda result, index=index: results.__setitem__(index, result),  # type: ignore[misc]
        )
    engine().run(time.monotonic() + CALL_SECONDS)
    return [answer(service, result) for result in results if result is not None]

"""AWS services that speak JSON: where they are, and calls to them.

Endpoints follow the SDKs' rules: AWS_ENDPOINT_URL_<SERVICE>, then AWS_ENDPOINT_URL, then the
Region's own.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.errors import ServiceError

CALL_SECONDS = 5.0

JsonObject = dict[str, Any]  # a request's or an answer's payload, as AWS's API reference gives it

_encode = json.JSONEncoder(separators=(",", ":")).encode
# A batch's answer that is not empty there; within an item's text the quotes would be escaped.
_UNPROCESSED = re.compile(rb'"Unprocessed(?:Items|Keys)"\s*:\s*\{\s*"')
_THROTTLED = (
    b"ProvisionedThroughputExceededException",
    b"ThrottlingException",
    b"RequestLimitExceeded",
    b"InternalServerError",
)
# Errors with status 400 that blame the caller or the service, not what the request says.
_NOT_THE_REQUEST = (
    *("AccessDenied", "UnrecognizedClient", "ExpiredToken", "MissingAuthenticationToken"),
    *("IncompleteSignature", "InvalidSignature", "ResourceNotFound", "ResourceInUse"),
    *("Throttl", "RequestLimitExceeded", "Throughput", "KMS", "InternalServer"),
)


class Protocol:
    """How a service is addressed: signing name, suffix of its setting, target prefix, version."""

    def __init__(self, name: str, setting: str, target: str, version: str) -> None:
        self.name = name
        self.setting = setting
        self.target = target
        self.version = version


DYNAMODB = Protocol("dynamodb", "DYNAMODB", "DynamoDB_20120810", "1.0")
SECRETS_MANAGER = Protocol("secretsmanager", "SECRETS_MANAGER", "secretsmanager", "1.1")


class Service:
    """One AWS service of the process's Region."""

    def __init__(self, engine: Engine, protocol: Protocol, environ: Mapping[str, str]) -> None:
        self._engine = engine
        self._protocol = protocol
        region = environ["AWS_REGION"]
        url = environ.get(f"AWS_ENDPOINT_URL_{protocol.setting}") or environ.get("AWS_ENDPOINT_URL")
        self.endpoint = Endpoint(
            url or f"https://{protocol.name}.{region}.{dns_suffix(region)}",
            protocol.name,
            region,
            retryable=worth_a_retry,
        )

    def request(self, operation: str, payload: JsonObject) -> Request:
        """Return the request of one operation."""
        return self.encoded_request(operation, _encode(payload).encode())

    def encoded_request(self, operation: str, body: bytes) -> Request:
        """Return the request of one operation whose payload is JSON already."""
        protocol = self._protocol
        return Request(
            self.endpoint,
            "POST",
            "/",
            body,
            (
                ("content-type", f"application/x-amz-json-{protocol.version}"),
                ("x-amz-target", f"{protocol.target}.{operation}"),
            ),
        )

    def call(
        self, operation: str, payload: JsonObject, deadline: float | None = None
    ) -> JsonObject:
        """Perform one operation and return its answer; raises ServiceError."""
        return self.call_all((operation, payload), deadline=deadline)[0]

    def call_all(
        self, *calls: tuple[str, JsonObject], deadline: float | None = None
    ) -> list[JsonObject]:
        """Perform several operations at once and return their answers in order.

        Parameters
        ----------
        deadline
            On the clock of time.monotonic(); CALL_SECONDS from now by default.

        Raises
        ------
        ServiceError
            One of them failed: the first in order.
        """
        limit = time.monotonic() + CALL_SECONDS if deadline is None else deadline
        results = self._engine.call_all([self.request(*call) for call in calls], limit)
        return [self.answer(result) for result in results]

    def answer(self, result: Response) -> JsonObject:
        """Return the service's answer; raises ServiceError when it is an error or none came."""
        if result.status == 200:
            found: JsonObject = json.loads(result.body)
            return found
        raise ServiceError(
            self._protocol.name,
            result.status,
            error_code(result),
            blames_request=blames_request(result),
        )


def dns_suffix(region: str) -> str:
    """Return the domain of a Region's endpoints."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def error_code(result: Response) -> str:
    """Return the error's type as AWS names it, or why there was no answer."""
    if not result.status:
        return result.reason
    try:
        return str(json.loads(result.body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return result.reason or f"HTTP {result.status}"


def blames_request(result: Response) -> bool:
    """Whether the service refused what the request says: the same request will never succeed."""
    if result.status not in (400, 413):
        return False
    code = error_code(result)
    return not any(part in code for part in _NOT_THE_REQUEST)


def worth_a_retry(status: int, body: bytes) -> bool:
    """Whether the same request may succeed in a moment.

    These services answer 400 when they throttle, and 200 when a batch was done in part only.
    """
    if status == 200:
        return _UNPROCESSED.search(body) is not None
    return (
        status >= 500
        or status == 429
        or (status == 400 and any(code in body for code in _THROTTLED))
    )

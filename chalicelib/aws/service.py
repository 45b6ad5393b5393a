"""Calls to AWS services with a JSON protocol, and the endpoints of these services.

The endpoint is chosen as in the AWS SDKs: from AWS_ENDPOINT_URL_<SERVICE>, else from
AWS_ENDPOINT_URL, else the Region's default endpoint.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from chalicelib.engine.engine import Endpoint, Engine, Request, Response
from chalicelib.errors import ServiceError

CALL_SECONDS = 5.0

JsonObject = dict[str, Any]  # payload of a request or response, as in AWS's API reference
Call = tuple[str, JsonObject]  # the name of an operation, and the payload of its request

_encode = json.JSONEncoder(separators=(",", ":")).encode
# Matches a batch response with unprocessed items or keys. It cannot match the text of an item,
# because quotation marks are escaped there.
_UNPROCESSED = re.compile(rb'"Unprocessed(?:Items|Keys)"\s*:\s*\{\s*"')
_THROTTLED = (
    b"ProvisionedThroughputExceededException",
    b"ThrottlingException",
    b"RequestLimitExceeded",
    b"InternalServerError",
)
# Errors with status 400 whose cause is the caller or the service, not the request's content.
_NOT_THE_REQUEST = (
    *("AccessDenied", "UnrecognizedClient", "ExpiredToken", "MissingAuthenticationToken"),
    *("IncompleteSignature", "InvalidSignature", "ResourceNotFound", "ResourceInUse"),
    *("Throttl", "RequestLimitExceeded", "Throughput", "KMS", "InternalServer"),
)


class Protocol:
    """How a service is called: signing name, suffix of AWS_ENDPOINT_URL, target prefix, version."""

    def __init__(self, name: str, setting: str, target: str, version: str) -> None:
        self.name = name
        self.setting = setting
        self.target = target
        self.version = version


DYNAMODB = Protocol("dynamodb", "DYNAMODB", "DynamoDB_20120810", "1.0")
SQS = Protocol("sqs", "SQS", "AmazonSQS", "1.0")
SECRETS_MANAGER = Protocol("secretsmanager", "SECRETS_MANAGER", "secretsmanager", "1.1")


class Service:
    """One AWS service of the process's Region."""

    def __init__(self, engine: Engine, protocol: Protocol, environ: Mapping[str, str]) -> None:
        self._engine = engine
        self._protocol = protocol
        self.endpoint = Endpoint(
            service_url(protocol.name, protocol.setting, environ),
            protocol.name,
            environ["AWS_REGION"],
            retryable=worth_a_retry,
        )

    def request(self, operation: str, payload: JsonObject) -> Request:
        """Return the request of one operation."""
        return self.encoded_request(operation, _encode(payload).encode())

    def encoded_request(self, operation: str, body: bytes) -> Request:
        """Return the request of one operation whose payload is already JSON."""
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
        """Perform one operation and return its response; raises ServiceError."""
        return self.call_all((operation, payload), deadline=deadline)[0]

    def call_all(
        self, *calls: tuple[str, JsonObject], deadline: float | None = None
    ) -> list[JsonObject]:
        """Perform several operations concurrently and return their responses in the same order.

        Parameters
        ----------
        deadline
            A value of time.monotonic(); by default, CALL_SECONDS from now.

        Raises
        ------
        ServiceError
            At least one operation failed. If several failed, the error is that of the first
            failed operation in the order of `calls`.
        """
        limit = time.monotonic() + CALL_SECONDS if deadline is None else deadline
        results = self._engine.call_all([self.request(*call) for call in calls], limit)
        return [self.answer(result) for result in results]

    def answer(self, result: Response) -> JsonObject:
        """Return the service's response; raises ServiceError for an error response or a missing
        response.
        """
        if result.status == 200:
            found: JsonObject = json.loads(result.body)
            return found
        raise ServiceError(
            self._protocol.name,
            result.status,
            error_code(result),
            blames_request=blames_request(result),
        )


def service_url(name: str, setting: str, environ: Mapping[str, str]) -> str:
    """Return the URL of a service; `setting` is the suffix of its AWS_ENDPOINT_URL variable."""
    url = environ.get(f"AWS_ENDPOINT_URL_{setting}") or environ.get("AWS_ENDPOINT_URL")
    region = environ["AWS_REGION"]
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return url or f"https://{name}.{region}.{suffix}"


def error_code(result: Response) -> str:
    """Return AWS's name for the error, or the reason why there was no response."""
    if not result.status:
        return result.reason
    try:
        return str(json.loads(result.body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return result.reason or f"HTTP {result.status}"


def blames_request(result: Response) -> bool:
    """Whether the request was refused for its content, so that it can never succeed."""
    if result.status not in (400, 413):
        return False
    code = error_code(result)
    return not any(part in code for part in _NOT_THE_REQUEST)


def worth_a_retry(status: int, body: bytes) -> bool:
    """Whether the same request may succeed if it is retried.

    These services throttle with status 400. They answer 200 even if part of a batch was not
    processed.
    """
    if status == 200:
        return _UNPROCESSED.search(body) is not None
    return (
        status >= 500
        or status == 429
        or (status == 400 and any(code in body for code in _THROTTLED))
    )

"""The events that Lambda hands to the functions, as far as Herald reads them.

Shapes: https://docs.aws.amazon.com/lambda/latest/dg/ and, for WebSockets,
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html
"""

import time
from collections.abc import Mapping
from typing import NotRequired, Protocol, TypedDict


class LambdaContext(Protocol):
    """What Herald asks of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is stopped."""


class SqsAttributes(TypedDict):
    """System attributes of a queue message."""

    ApproximateReceiveCount: str


class SqsRecord(TypedDict):
    """A queue message."""

    messageId: str
    body: str
    attributes: SqsAttributes


class SqsEvent(TypedDict):
    """A batch of queue messages."""

    Records: list[SqsRecord]


class BatchItemFailure(TypedDict):
    """A message that is to be received again."""

    itemIdentifier: str


class SqsResponse(TypedDict):
    """The answer to an SqsEvent (ReportBatchItemFailures)."""

    batchItemFailures: list[BatchItemFailure]


class HttpEvent(TypedDict):
    """A request to an HTTP API (payload format 2.0), or to a WebSocket API's authorizer."""

    requestContext: NotRequired[Mapping[str, object]]
    headers: NotRequired[dict[str, str] | None]
    body: NotRequired[str | None]
    isBase64Encoded: NotRequired[bool]
    methodArn: NotRequired[str]


class HttpResponse(TypedDict):
    """The answer to a route, of an HTTP API or a WebSocket API."""

    statusCode: int
    headers: NotRequired[dict[str, str]]
    body: NotRequired[str]


class AuthorizerContext(TypedDict):
    """What `authorize` says of a connection to every later route; values are strings."""

    user_id: str
    token_expires_at: str
    issued_at: NotRequired[str]  # missing for a connection opened before `authorize` sent it


class WebSocketContext(TypedDict):
    """The request context of a WebSocket route; `connectedAt` is in milliseconds."""

    connectionId: str
    connectedAt: int
    authorizer: AuthorizerContext


class WebSocketEvent(TypedDict):
    """$connect, $disconnect, or a client's frame in `body`."""

    requestContext: WebSocketContext
    headers: NotRequired[dict[str, str] | None]
    body: NotRequired[str | None]


def lower_headers(event: HttpEvent | WebSocketEvent) -> dict[str, str]:
    """Return an event's headers, names in lower case: they come as the client wrote them."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def deadline_of(context: LambdaContext, margin: float = 1.0) -> float:
    """Return when the work must be done, on the clock of time.monotonic(): `margin` seconds before
    the function is stopped.
    """
    return time.monotonic() + context.get_remaining_time_in_millis() / 1000 - margin

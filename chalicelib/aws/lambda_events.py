"""Types of the events that Lambda passes to the functions, with only the fields that Herald reads.

The formats are documented at https://docs.aws.amazon.com/lambda/latest/dg/ and, for WebSockets, at
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html
"""

from collections.abc import Mapping
from typing import NotRequired, Protocol, TypedDict


class LambdaContext(Protocol):
    """The part of Lambda's context object that Herald uses."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is stopped."""


class SqsAttributes(TypedDict):
    """System attributes of a queue message."""

    ApproximateReceiveCount: str


class SqsRecord(TypedDict):
    """A queue message."""

    messageId: str
    receiptHandle: NotRequired[str]
    body: str
    attributes: SqsAttributes


class SqsEvent(TypedDict):
    """A batch of queue messages."""

    Records: list[SqsRecord]


class BatchItemFailure(TypedDict):
    """A message that SQS must deliver again."""

    itemIdentifier: str


class SqsResponse(TypedDict):
    """The response to an SqsEvent (ReportBatchItemFailures)."""

    batchItemFailures: list[BatchItemFailure]


class HttpEvent(TypedDict):
    """A request to an HTTP API (payload format 2.0), or to a WebSocket API's authorizer."""

    requestContext: NotRequired[Mapping[str, object]]
    headers: NotRequired[dict[str, str] | None]
    pathParameters: NotRequired[dict[str, str]]
    body: NotRequired[str | None]
    isBase64Encoded: NotRequired[bool]
    methodArn: NotRequired[str]


class HttpResponse(TypedDict):
    """The response of a route, of an HTTP API or a WebSocket API."""

    statusCode: int
    headers: NotRequired[dict[str, str]]
    body: NotRequired[str]


class AuthorizerContext(TypedDict):
    """The context that `authorize` sets for a connection. API Gateway passes it to every later
    route, as strings.
    """

    user_id: str
    token_expires_at: str
    issued_at: NotRequired[str]  # missing for a connection opened before `authorize` sent it


class WebSocketContext(TypedDict):
    """The request context of a WebSocket route; `connectedAt` is in milliseconds.

    API Gateway may send $disconnect without `authorizer`, for a connection that it did not accept.
    """

    connectionId: str
    connectedAt: int
    authorizer: NotRequired[AuthorizerContext | None]


class WebSocketEvent(TypedDict):
    """The event of $connect, $disconnect or $default. $default has a client's frame in `body`."""

    requestContext: WebSocketContext
    headers: NotRequired[dict[str, str] | None]
    body: NotRequired[str | None]

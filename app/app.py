"""Herald's handlers. Every decorator is here, and every body is one line into chalicelib."""

import gc
import os
from typing import TYPE_CHECKING, Any

gc.disable()  # until everything is loaded: a collection while loading finds nothing

from chalice.app import Chalice, Rate  # noqa: E402

from chalicelib.runtime import Runtime  # noqa: E402

if TYPE_CHECKING:
    from chalicelib.aws.lambda_events import HttpResponse, SqsResponse
    from chalicelib.sessions.authorize import Authorization

app = Chalice(app_name="herald")
app.experimental_feature_flags.add("WEBSOCKETS")
runtime = Runtime(os.environ)


@app.lambda_function(name="callback")
def callback(event: Any, context: Any) -> "HttpResponse":
    """Take the generation provider's webhook: POST /callbacks/generations, or a direct
    invocation.
    """
    return runtime.callback.handle(event, context)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="relay")
def relay(event: Any) -> dict[str, object]:
    """Publish what the callback could not."""
    return runtime.relay.handle(event.context)


@app.on_sqs_message(queue_arn="${queue_arn}", batch_size=10, name="deliver")
def deliver(event: Any) -> "SqsResponse":
    """Store events in their owners' inboxes and post them to the open connections."""
    return runtime.deliver.handle(event.to_dict(), event.context)


@app.lambda_function(name="authorize")
def authorize(event: Any, context: Any) -> "Authorization":
    """Decide who may open a WebSocket."""
    return runtime.authorize.handle(event)


@app.on_ws_connect(name="connect")
def connect(event: Any) -> "HttpResponse":
    """Keep a new connection."""
    return runtime.connect.handle(event.to_dict())


@app.on_ws_message(name="message")
def message(event: Any) -> "HttpResponse":
    """Answer one client frame."""
    return runtime.message.handle(event.to_dict())


@app.on_ws_disconnect(name="disconnect")
def disconnect(event: Any) -> "HttpResponse":
    """Forget a closed connection."""
    return runtime.disconnect.handle(event.to_dict())


# _HANDLER is Lambda's own: elsewhere nothing is built before it is used.
runtime.preload(os.environ.get("_HANDLER", ""))
gc.freeze()  # all of it stays: the collector need not look through it again
gc.enable()

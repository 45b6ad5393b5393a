"""Herald's handlers. Every decorator is here and every body is one line into chalicelib.

The modules are imported inside the handlers: each function loads only what it uses, and nothing
reads its settings before it is called.
"""

import gc
import os
from importlib import import_module
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent, WebsocketEvent

app = Chalice(app_name="herald")
app.experimental_feature_flags.add("WEBSOCKETS")

Response = dict[str, Any]


@app.lambda_function(name="callback")
def callback(event: dict[str, Any], context: Any) -> Response:
    """Take the generation provider's webhook: POST /callbacks/generations, or a direct
    invocation.
    """
    from chalicelib.recording.callback import handle

    return handle(event, context)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="relay")
def relay(event: CloudWatchEvent) -> Response:
    """Publish what the callback could not."""
    from chalicelib.recording.relay import handle

    return handle(event.context)


@app.on_sqs_message(queue_arn="${queue_arn}", batch_size=10, name="deliver")
def deliver(event: SQSEvent) -> Response:
    """Store events in their owners' inboxes and post them to the open pages."""
    from chalicelib.delivery.deliver import handle

    return handle(event.to_dict(), event.context)


@app.lambda_function(name="authorize")
def authorize(event: dict[str, Any], context: Any) -> Response:
    """Decide who may open a WebSocket."""
    from chalicelib.sessions.authorize import handle

    return handle(event)


@app.on_ws_connect(name="connect")
def connect(event: WebsocketEvent) -> Response:
    """Keep a new connection."""
    from chalicelib.sessions.messages import connect as handle

    return handle(event.to_dict())


@app.on_ws_message(name="message")
def message(event: WebsocketEvent) -> Response:
    """Answer one client frame."""
    from chalicelib.sessions.messages import message as handle

    return handle(event.to_dict())


@app.on_ws_disconnect(name="disconnect")
def disconnect(event: WebsocketEvent) -> Response:
    """Forget a connection that has ended."""
    from chalicelib.sessions.messages import disconnect as handle

    return handle(event.to_dict())


# What each function will need, loaded while Lambda starts it: that phase has a full core, whatever
# the function's memory. _HANDLER is Lambda's own.
_USES = {
    "app.callback": ["chalicelib.recording.callback", "boto3"],
    "app.relay": ["chalicelib.recording.relay", "boto3"],
    "app.deliver": ["chalicelib.delivery.deliver"],
    "app.authorize": ["chalicelib.sessions.authorize", "jwt"],
    "app.connect": ["chalicelib.sessions.messages"],
    "app.message": ["chalicelib.sessions.messages", "chalicelib.protocol.client_frames"],
    "app.disconnect": ["chalicelib.sessions.messages"],
}
if _modules := _USES.get(os.environ.get("_HANDLER", "")):
    gc.disable()
    for _module in _modules:
        import_module(_module)
    gc.freeze()  # all of it stays: the collector need not look through it again
    gc.enable()

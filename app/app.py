"""Herald's handlers. This file has all decorators, and each handler calls chalicelib in one
line.
"""

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
    """Handle the generation provider's webhook.

    It arrives as POST /callbacks/generations or as a direct invocation.
    """
    return runtime.callback.handle(event, context)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="relay")
def relay(event: Any) -> dict[str, object]:
    """Publish events that `callback` could not publish."""
    return runtime.relay.handle(event.context)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="reconcile")
def reconcile(event: Any) -> dict[str, object]:
    """Look up generations whose webhook did not come, and end those past their deadline.

    `callback` and `message` also invoke it, for thin events and cancellations.
    """
    return runtime.reconcile.handle(event.to_dict(), event.context)


@app.on_sqs_message(queue_arn="${queue_arn}", batch_size=10, name="deliver")
def deliver(event: Any) -> "SqsResponse":
    """Store events in their owners' inboxes and post them to open connections."""
    return runtime.deliver.handle(event.to_dict(), event.context)


@app.on_sqs_message(queue_arn="${keep_queue_arn}", batch_size=1, name="keep")
def keep(event: Any) -> "SqsResponse":
    """Copy the outputs of finished generations into the bucket."""
    return runtime.keep.handle(event.to_dict(), event.context)


@app.lambda_function(name="link")
def link(event: Any, context: Any) -> "HttpResponse":
    """Answer the stable link of an output with a redirect."""
    return runtime.link.handle(event)


@app.lambda_function(name="authorize")
def authorize(event: Any, context: Any) -> "Authorization":
    """Authorize the opening of a WebSocket connection."""
    return runtime.authorize.handle(event)


@app.on_ws_connect(name="connect")
def connect(event: Any) -> "HttpResponse":
    """Store a new connection."""
    return runtime.connect.handle(event.to_dict())


@app.on_ws_message(name="message")
def message(event: Any) -> "HttpResponse":
    """Answer one client frame."""
    return runtime.message.handle(event.to_dict())


@app.on_ws_disconnect(name="disconnect")
def disconnect(event: Any) -> "HttpResponse":
    """Delete a closed connection."""
    return runtime.disconnect.handle(event.to_dict())


# Lambda sets _HANDLER. Elsewhere, nothing is built before it is used.
runtime.preload(os.environ.get("_HANDLER", ""))
gc.freeze()  # these objects live as long as the process, so the garbage collector can skip them
gc.enable()

"""MiniStack with a wrapper that adds behaviour of AWS that MiniStack lacks.

The emulator runs in `.venv-emulator`. It is started as a file and not as a module, so that the
Lambda functions that it runs cannot import modules of this repository.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypercorn.asyncio
import hypercorn.config
from ministack.app import app as ministack

# The repository is on the import path only while these modules are imported, and not for later
# imports.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from local import emulator_gate as gate
from local import emulator_record
from local.emulator_corrections import correct_ministack
from local.emulator_invocations import record_invocations
from local.emulator_queues import await_dead_letter_queue
from local.emulator_repeats import Answers
from local.emulator_routes import correct_routes
from local.emulator_signatures import Refused
from local.emulator_websockets import MAX_MESSAGE, Connection

sys.path.pop(0)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from local.emulator_websockets import Receive, Send

_recorder = emulator_record.of_environment()
_answers = Answers()


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application that hypercorn serves."""
    kind = scope["type"]
    if kind not in ("http", "websocket"):
        await ministack(scope, receive, send)
    elif gate.is_public(scope) and kind == "websocket":
        connection = Connection(scope, receive, send)
        await ministack(gate.by_address(scope), connection.receive, connection.send)
    elif gate.is_public(scope):
        await ministack(gate.by_address(scope), receive, send)
    elif kind == "websocket":
        await gate.refuse_socket(send)
    else:
        await _control(scope, receive, send)


async def _control(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Handle a request to an AWS API, which must be signed."""
    try:
        if (scope["method"], scope["path"]) == ("GET", gate.READY):
            gate.check_ready(scope)
            await ministack(scope, receive, gate.without_cors(send))
            return
        claim, body = await gate.admit(scope, receive)
    except Refused as refusal:
        await gate.refuse(scope, send, refusal)
        return
    except gate.Gone:
        return
    await await_dead_letter_queue(gate.header(scope, b"x-amz-target") or "", body)
    recorded = emulator_record.Recorded(send, partial(_recorder.keep, scope, claim, body))
    try:
        if repeated := _answers.repeated(scope):
            for message in repeated:
                await recorded.send(message)
        elif "/@connections/" in scope["path"] and len(body) > MAX_MESSAGE:
            await _refuse_post(recorded.send)
        else:
            answering = _answers.keeping(scope, gate.without_cors(recorded.send))
            await ministack(scope, gate.replayed(body, receive), answering)
    finally:
        recorded.finish()


async def _refuse_post(send: Send) -> None:
    """Refuse a message over 128 KB, as API Gateway does. MiniStack accepts such messages."""
    headers = {"content-type": "application/json", "x-amzn-errortype": "PayloadTooLargeException"}
    await gate.answer(send, 413, headers, json.dumps({"message": "Payload Too Large"}).encode())


def main(port: int) -> None:
    correct_ministack()
    correct_routes()
    record_invocations(_recorder)
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO")
    config.graceful_timeout = 1
    # our check answers first, with the same code
    config.websocket_max_message_size = 2 * MAX_MESSAGE
    asyncio.run(hypercorn.asyncio.serve(app, config))


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""MiniStack behind a wrapper that adds what API Gateway does and it does not.

It runs in `.venv-emulator` and is started as a file, so that the functions it runs cannot import
anything from this repository. Each correction names the difference from AWS; all were seen in
ministack 1.5.33.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import hypercorn.asyncio
import hypercorn.config
from ministack.app import app as ministack
from ministack.core import iam_actions, iam_evaluator
from ministack.services import apigateway, lambda_svc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
# One frame is limited to 32 KB, too, but ASGI shows whole messages only.
MAX_MESSAGE = 128 * 1024
IDLE_SECONDS = float(os.environ.get("HERALD_EMULATOR_IDLE_SECONDS", "600"))
LIFETIME_SECONDS = float(os.environ.get("HERALD_EMULATOR_LIFETIME_SECONDS", "7200"))
_GOING_AWAY, _TOO_BIG = 1001, 1009

logger = logging.getLogger("herald.emulator")

# The answers of the authorizer and $connect to the handshake of this task.
_handshake: ContextVar[dict[str, Any] | None] = ContextVar("handshake", default=None)


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application that hypercorn serves."""
    if scope["type"] == "websocket":
        connection = Connection(scope, receive, send)
        await ministack(scope, connection.receive, connection.send)
    elif scope["type"] == "http" and _too_large_post(scope):
        await _reject_post(send)
    else:
        await ministack(scope, receive, send)


class Connection:
    """One WebSocket: its subprotocol, how it is rejected, and its limits of size and time."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._offered: list[str] = list(scope.get("subprotocols") or [])
        self._receive, self._send = receive, send
        self._answers: dict[str, Any] = {}
        self._opened = time.monotonic()
        self._active = self._opened
        self._closed = False
        _handshake.set(self._answers)

    async def receive(self) -> Message:
        if not self._answers.get("accepted"):
            return await self._receive()
        pending = asyncio.ensure_future(self._receive())
        try:
            # Sending resets the idle time, too, so check again once it seems to be over.
            while not pending.done():
                deadline = min(self._active + IDLE_SECONDS, self._opened + LIFETIME_SECONDS)
                left = deadline - time.monotonic()
                if left <= 0:
                    return await self._close(_GOING_AWAY)
                await asyncio.wait({pending}, timeout=left)
        finally:
            if not pending.done():
                pending.cancel()
        message = pending.result()
        self._active = time.monotonic()
        if message["type"] == "websocket.receive" and _size(message) > MAX_MESSAGE:
            return await self._close(_TOO_BIG)
        return message

    async def send(self, message: Message) -> None:
        self._active = time.monotonic()
        kind = message["type"]
        if self._closed:
            return
        if kind == "websocket.accept":
            self._answers["accepted"] = True
            message = {**message, "subprotocol": self._subprotocol()}
        elif kind == "websocket.close":
            self._closed = True
            status = self._answers.get("connect_status")
            if status and not self._answers.get("accepted"):
                await self._reject(status)  # MiniStack answers 403 whatever $connect returned
                return
        await self._send(message)

    def _subprotocol(self) -> str | None:
        """Return the one from $connect; MiniStack drops it, and browsers then close the socket."""
        headers: dict[str, str] = self._answers.get("connect_headers") or {}
        for name, value in headers.items():
            if name.lower() == "sec-websocket-protocol" and value in self._offered:
                return value
        return None

    async def _reject(self, status: int) -> None:
        start = {"type": "websocket.http.response.start", "status": status, "headers": []}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": b""})

    async def _close(self, code: int) -> Message:
        await self.send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}


def _size(message: Message) -> int:
    text = message.get("text")
    return len(text.encode()) if text is not None else len(message.get("bytes") or b"")


def _too_large_post(scope: MutableMapping[str, Any]) -> bool:
    """MiniStack posts messages of any size to a connection; API Gateway rejects over 128 KB."""
    if scope["method"] != "POST" or "/@connections/" not in scope["path"]:
        return False
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) > MAX_MESSAGE


async def _reject_post(send: Send) -> None:
    error = [(b"x-amzn-errortype", b"PayloadTooLargeException")]
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *error]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    body = json.dumps({"message": "Payload Too Large"}).encode()
    await send({"type": "http.response.body", "body": body})


def correct_ministack() -> None:
    """Replace the few functions of MiniStack that do not answer as AWS does."""
    _note_connect_answer()
    _answer_unauthorized()
    _fail_batches_with_malformed_answers()
    _count_loopback_as_tls()
    _authorize_batches_as_single_calls()
    # MiniStack delays a message that follows a batch within 50 ms; SQS does not.
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.001


def _note_connect_answer() -> None:
    """Keep the status and headers that $connect returns, for the answer to the handshake."""
    invoke = apigateway._invoke_ws_lambda

    async def noted(*arguments: Any, **keywords: Any) -> Any:
        answer = await invoke(*arguments, **keywords)
        if int((answer or {}).get("statusCode", 200)) >= 500:
            # MiniStack does not log the functions of WebSocket routes.
            logger.warning("a WebSocket route's function failed: %s", (answer or {}).get("body"))
        handshake = _handshake.get()
        if handshake is not None and not handshake.get("accepted"):
            handshake["connect_headers"] = (answer or {}).get("headers")
            handshake["connect_status"] = int((answer or {}).get("statusCode", 200))
        return answer

    apigateway._invoke_ws_lambda = noted


def _answer_unauthorized() -> None:
    """An authorizer that raises "Unauthorized" is a 401 on AWS; MiniStack answers 500."""
    execute = lambda_svc._execute_function_with_config_scope
    authorize = apigateway._authorize_ws_connect

    def noted(*arguments: Any, **keywords: Any) -> Any:
        result = execute(*arguments, **keywords)
        handshake = _handshake.get()
        if handshake is not None and (result or {}).get("error"):
            body = result.get("body")
            error = body.get("errorMessage") if isinstance(body, dict) else None
            handshake["authorizer_error"] = error
        return result

    async def authorized(*arguments: Any, **keywords: Any) -> Any:
        refusal, context = await authorize(*arguments, **keywords)
        error = (_handshake.get() or {}).get("authorizer_error")
        if refusal and refusal[0] == 500 and error == "Unauthorized":
            refusal = (401, "Unauthorized")
        return refusal, context

    lambda_svc._execute_function_with_config_scope = noted
    apigateway._authorize_ws_connect = authorized


def _fail_batches_with_malformed_answers() -> None:
    """AWS fails the batch when batchItemFailures is malformed; MiniStack accepts it."""
    run_batch, execute = lambda_svc._run_sqs_batch, lambda_svc._execute_function
    mapped: ContextVar[bool] = ContextVar("mapped", default=False)

    def checked(record: Any, event: Any, *arguments: Any, **keywords: Any) -> Any:
        result = execute(record, event, *arguments, **keywords)
        if mapped.get() and not result.get("error"):
            identifiers = [message["messageId"] for message in event["Records"]]
            if not well_formed(result.get("body"), identifiers):
                failures = [{"itemIdentifier": identifier} for identifier in identifiers]
                result = {**result, "body": {"batchItemFailures": failures}}
        return result

    def run(*arguments: Any, **keywords: Any) -> Any:
        token = mapped.set(True)
        try:
            return run_batch(*arguments, **keywords)
        finally:
            mapped.reset(token)

    lambda_svc._execute_function, lambda_svc._run_sqs_batch = checked, run


def _count_loopback_as_tls() -> None:
    """Policies deny calls without TLS; ours stay on this machine, so they count as encrypted."""
    origin = iam_evaluator._request_origin

    class Encrypted:
        set = staticmethod(origin.set)

        @staticmethod
        def get() -> tuple[str, bool]:
            return origin.get()[0], True

    iam_evaluator._request_origin = Encrypted


def _authorize_batches_as_single_calls() -> None:
    """On AWS, the right to the single call covers batches; MiniStack wants a separate right."""
    extract = iam_actions.extract_iam_action

    def extracted(*arguments: Any, **keywords: Any) -> Any:
        action = extract(*arguments, **keywords)
        if action and action.startswith(("sns:", "sqs:")):
            return action.removesuffix("Batch")
        return action

    iam_actions.extract_iam_action = extracted


def well_formed(answer: Any, identifiers: list[str]) -> bool:
    """Whether AWS accepts `answer` as a partial batch response (an empty one is full success)."""
    if isinstance(answer, str | bytes):
        try:
            answer = json.loads(answer or "null")
        except ValueError:
            return False
    if answer is None:
        return True
    if not isinstance(answer, dict):
        return False
    failures = answer.get("batchItemFailures")
    if failures is None:
        return True
    if not isinstance(failures, list):
        return False
    known = set(identifiers)
    return all(
        isinstance(failure, dict) and failure.get("itemIdentifier") in known for failure in failures
    )


def main(port: int) -> None:
    correct_ministack()
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO")
    config.graceful_timeout = 1
    config.websocket_max_message_size = 2 * MAX_MESSAGE  # ours answers first, with the same code
    asyncio.run(hypercorn.asyncio.serve(app, config))


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Handles client frames and returns the responses.

The only state of a client is its connection in the connections table. If a response has several
frames, all except the last are posted through @connections, in order. The last frame is the route's
response, so it always arrives after the others (docs/adr/0003).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib import metrics, telemetry
from chalicelib.aws import gateway, reconcile_events
from chalicelib.aws.service import CALL_SECONDS
from chalicelib.errors import OverBudget, Revoked, ServiceError, Unauthorized
from chalicelib.protocol import client_frames, server_frames
from chalicelib.protocol.events import rfc3339
from chalicelib.sessions import replay
from chalicelib.sessions.connecting import connection_of
from chalicelib.store.connections import NEVER, Connection
from chalicelib.store.inbox import REPLAY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from chalicelib.aws.functions import Function
    from chalicelib.aws.gateway import Gateway
    from chalicelib.aws.lambda_events import HttpResponse, WebSocketEvent
    from chalicelib.engine.engine import Engine
    from chalicelib.protocol.client_frames import (
        Auth,
        Cancel,
        ClientFrame,
        Cursor,
        Hello,
        History,
        Ping,
    )
    from chalicelib.sessions.replay import Answer
    from chalicelib.sessions.tokens import Tokens
    from chalicelib.store.connections import Connections
    from chalicelib.store.inbox import Inbox, Standing
    from chalicelib.store.replay_budget import Budget, ReplayBudgets

RETRY_AFTER_MS = 2000
_FRAMES_AROUND = 2  # `welcome` and `caught_up`, in addition to the events
DONE: HttpResponse = {"statusCode": 200}


class Gone(Exception):
    """The client's connection no longer exists, so no response is possible."""


class Messages:
    """The `message` function."""

    def __init__(
        self,
        engine: Engine,
        gateway: Gateway,
        connections: Connections,
        budgets: ReplayBudgets,
        inbox: Inbox,
        tokens: Tokens,
        keepalive_ms: int,
        reconcile: Function,
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._connections = connections
        self._budgets = budgets
        self._inbox = inbox
        self._tokens = tokens
        self._keepalive_ms = keepalive_ms
        self._reconcile = reconcile

    def handle(self, event: WebSocketEvent) -> HttpResponse:
        """Answer one client frame."""
        try:
            connection = connection_of(event)
        except Unauthorized as exc:
            return _reply(server_frames.error(None, server_frames.UNAUTHORIZED, str(exc)))
        try:
            frame = client_frames.parse(event.get("body") or "")
        except client_frames.BadFrame as exc:
            telemetry.warning(
                "frame refused", connection_id=connection.connection_id, reason=str(exc)
            )
            return _reply(server_frames.error(exc.re, server_frames.BAD_FRAME, str(exc)))
        try:
            return self._answer(self._current(connection), frame)
        except OverBudget as exc:
            telemetry.emit({metrics.REPLAYS_LIMITED: 1})
            telemetry.warning("replay refused", user_id=connection.user_id, reason=str(exc))
            message = "too much was replayed; wait before you ask again"
            return _later(frame, server_frames.RATE_LIMITED, message, exc.retry_after_ms)
        except ServiceError as exc:
            telemetry.error("frame not answered", action=frame["action"], error=str(exc))
            return _later(frame, server_frames.OVERLOADED, "try again in a moment", RETRY_AFTER_MS)
        except Gone:
            telemetry.info("client left", connection_id=connection.connection_id)
            return DONE

    def _answer(self, connection: Connection, frame: ClientFrame) -> HttpResponse:
        if connection.token_expired and frame["action"] != "auth":
            return self._close(connection, server_frames.TOKEN_EXPIRED)
        try:
            match frame["action"]:
                case "hello":
                    return self._hello(connection, frame)
                case "ping":
                    return self._ping(connection, frame)
                case "keepalive":  # only while the API's own route for it is not deployed
                    return DONE
                case "history":
                    return self._history(connection, frame)
                case "auth":
                    return self._auth(connection, frame)
                case "cancel":
                    return self._cancel(connection, frame)
        except Revoked:
            return self._close(connection, server_frames.REVOKED)

    def _hello(self, connection: Connection, frame: Hello) -> HttpResponse:
        budget, standing = self._stand(connection)
        cursor = frame["resume"]
        most = replay.most_frames_outside(standing)
        if cursor:
            most += replay.most_frames(standing.head, cursor, REPLAY_LIMIT)
        return self._replay(
            connection, budget, most, lambda: self._welcome(connection, frame, standing)
        )

    def _stand(self, connection: Connection) -> tuple[Budget, Standing]:
        """Read the user's budget and standing; store the connection if it is missing.

        The connection is stored before the head is read: by `connect`, before this frame arrived,
        or here. `deliver` first stores events, then reads connections. So it finds the connection,
        or the head includes the events.
        """
        lookup = self._connections.lookup(connection)
        standing, [found] = self._inbox.standing(connection.user_id, lookup)
        if budget := self._connections.budget(connection, found):
            return budget, standing
        budget = self._connections.restore(connection)
        standing, _ = self._inbox.standing(connection.user_id)
        return budget, standing

    def _welcome(self, connection: Connection, frame: Hello, standing: Standing) -> Answer:
        user_id, cursor = connection.user_id, frame["resume"]
        planned = (
            replay.plan(self._inbox, user_id, standing.head, cursor, REPLAY_LIMIT, partial=False)
            if cursor
            else None
        )
        welcome = server_frames.welcome(
            frame["id"],
            connection=connection.connection_id,
            time=rfc3339(datetime.now(UTC)),
            epoch=standing.head.epoch,
            head=standing.head.offset,
            recovered=planned is not None and planned.gap is None,
            replaying=len(planned.events) if planned else 0,
            token_ms=_token_ms(connection.token_expires_at),
            keepalive_ms=self._keepalive_ms,
        )
        outside = replay.outside(self._inbox, user_id, standing)
        frames = [welcome, *_replayed(outside.notices)]
        read = outside.read
        if planned and (planned.events or planned.gap):
            frames += replay.frames(self._inbox, frame["id"], planned)
            read += planned.read
        return replay.Answer([*frames, *_replayed(outside.progress)], read)

    def _history(self, connection: Connection, frame: History) -> HttpResponse:
        budget = self._connections.ensure(connection)
        cursor: Cursor = {"epoch": None, "offset": frame["since"]}
        user_id, limit = connection.user_id, frame["limit"]
        head = self._inbox.head(user_id)

        def answer() -> Answer:
            planned = replay.plan(self._inbox, user_id, head, cursor, limit, partial=True)
            frames = replay.frames(self._inbox, frame["id"], planned)
            return replay.Answer(frames, planned.read)

        most = replay.most_frames(head, cursor, limit)
        return self._replay(connection, budget, most, answer)

    def _replay(
        self, connection: Connection, budget: Budget, most: int, build: Callable[[], Answer]
    ) -> HttpResponse:
        """Send an answer whose events and notices fill at most the given number of frames.

        These frames are taken from the user's budget. Unused frames are given back.
        """
        if not most:
            return self._send(connection, build().frames)
        user_id, connection_id = connection.user_id, connection.connection_id
        most += _FRAMES_AROUND
        self._budgets.take(user_id, connection_id, budget, most)
        spent = 0
        try:
            answer = build()
            spent = answer.cost
            return self._send(connection, answer.frames)
        finally:
            self._settle(connection, most - spent)

    def _settle(self, connection: Connection, unused: int) -> None:
        try:
            self._budgets.settle(connection.user_id, connection.connection_id, unused)
        except ServiceError as exc:  # the replay is over, and its client has an answer
            telemetry.warning("replay not settled", user_id=connection.user_id, error=str(exc))

    def _ping(self, connection: Connection, frame: Ping) -> HttpResponse:
        head = self._inbox.head(connection.user_id)
        return _reply(server_frames.pong(frame["id"], epoch=head.epoch, head=head.offset))

    def _auth(self, connection: Connection, frame: Auth) -> HttpResponse:
        try:
            identity = self._tokens.verify(frame["token"])
        except Unauthorized as exc:
            reason = f"token: {exc}"
            return _reply(server_frames.error(frame["id"], server_frames.UNAUTHORIZED, reason))
        if identity.user_id != connection.user_id:
            return self._close(connection, server_frames.FORBIDDEN)
        self._connections.put(
            connection._replace(
                token_expires_at=identity.token_expires_at, issued_at=identity.issued_at
            )
        )
        token_ms = _token_ms(identity.token_expires_at) or 0
        return _reply(server_frames.auth_ok(frame["id"], token_ms))

    def _cancel(self, connection: Connection, frame: Cancel) -> HttpResponse:
        """Cancel a generation. An unknown one and somebody else's are refused alike."""
        generation_id = str(frame["generation"])
        event = reconcile_events.cancel(generation_id, connection.user_id)
        if self._reconcile.call(event).get("outcome") == "canceled":
            return _reply(server_frames.cancel_ok(frame["id"], generation_id))
        message = "there is no such generation that can be canceled"
        return _reply(server_frames.error(frame["id"], server_frames.NOT_CANCELABLE, message))

    def _current(self, connection: Connection) -> Connection:
        """Return the connection with the expiry of its latest token; if the first one has not
        expired, the table is not read.
        """
        if not connection.token_expired:
            return connection
        kept = self._connections.get(connection.user_id, connection.connection_id)
        return kept._replace(issued_at=connection.issued_at) if kept else connection

    def _send(self, connection: Connection, answer: Sequence[str]) -> HttpResponse:
        for frame in answer[:-1]:
            self._post(connection, frame)
        return _reply(answer[-1])

    def _post(self, connection: Connection, frame: str) -> None:
        request = self._gateway.post(connection.connection_id, frame.encode())
        result = self._engine.call(request, CALL_SECONDS)
        match gateway.outcome(result):
            case gateway.Outcome.DELIVERED:
                return
            case gateway.Outcome.GONE:
                raise Gone
            case outcome:
                raise ServiceError("execute-api", result.status, result.reason or outcome.value)

    def _close(self, connection: Connection, code: server_frames.Code) -> HttpResponse:
        """Send the code and reason in a frame, because API Gateway cannot; then close."""
        connection_id = connection.connection_id
        telemetry.info("connection closed", connection_id=connection_id, code=code.code)
        self._post(connection, server_frames.close(code))
        self._engine.call(self._gateway.close(connection_id), CALL_SECONDS)
        return DONE


def _replayed(texts: Iterable[str]) -> Iterator[str]:
    """Yield the frames of events outside the stream."""
    return server_frames.events(
        server_frames.event(text, None, None, replayed=True) for text in texts
    )


def _token_ms(token_expires_at: int) -> int | None:
    expires = token_expires_at != NEVER
    return max(0, int((token_expires_at - time.time()) * 1000)) if expires else None


def _later(
    frame: ClientFrame, code: server_frames.Code, message: str, retry_after_ms: int
) -> HttpResponse:
    """Ask the client to send its frame again."""
    return _reply(server_frames.error(frame["id"], code, message, retry_after_ms))


def _reply(frame: str) -> HttpResponse:
    return {"statusCode": 200, "body": frame}

"""One WebSocket session, from $connect to $disconnect: what each client frame leads to.

Nothing is kept per client but its connection's item. Of several frames in answer, all but the
last are posted through @connections, in order; the last is the route's response, so it always
comes after them.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from chalicelib import settings, telemetry
from chalicelib.aws import gateway, service
from chalicelib.aws.lambda_events import lower_headers
from chalicelib.engine.engine import Endpoint
from chalicelib.errors import ServiceError, Unauthorized
from chalicelib.protocol import server_frames
from chalicelib.protocol.events import rfc3339
from chalicelib.sessions import credentials
from chalicelib.store import connections
from chalicelib.store.connections import NEVER, Connection
from chalicelib.store.inbox import REPLAY_LIMIT, Head, Inbox, Page, Stored

RETRY_AFTER_MS = 2000

Response = dict[str, Any]
Frame = dict[str, Any]  # a client's, as client_frames describes it


class Ended(Exception):
    """The connection is gone: there is nobody to answer."""


def connection_of(event: Mapping[str, Any]) -> Connection:
    """Return the connection of an API Gateway WebSocket event, as the authorizer described it
    at $connect.
    """
    context = event["requestContext"]
    known = context["authorizer"]
    return Connection(
        known["user_id"],
        context["connectionId"],
        int(context["connectedAt"]) // 1000,
        int(known["token_expires_at"]),
    )


def connect(event: Mapping[str, Any]) -> Response:
    """Keep a new connection; choose herald.v1 among the subprotocols offered and never echo a
    credential.
    """
    offered = credentials.subprotocols(lower_headers(event))
    if offered and server_frames.SUBPROTOCOL not in offered:
        telemetry.warning("connection refused", what="subprotocol")
        return {"statusCode": 400, "body": f"this server speaks {server_frames.SUBPROTOCOL}"}
    session = connection_of(event)
    connections.put(settings.load(settings.Connections).connections_table, session)
    telemetry.info("connected", user_id=session.user_id, connection_id=session.connection_id)
    headers = {"Sec-WebSocket-Protocol": server_frames.SUBPROTOCOL} if offered else {}
    return {"statusCode": 200, "headers": headers}


def disconnect(event: Mapping[str, Any]) -> Response:
    """Forget a connection that has ended."""
    session = connection_of(event)
    table = settings.load(settings.Connections).connections_table
    connections.forget(table, session.user_id, session.connection_id)
    telemetry.info("disconnected", user_id=session.user_id, connection_id=session.connection_id)
    return {"statusCode": 200}


def message(event: Mapping[str, Any]) -> Response:
    """Answer one client frame."""
    from chalicelib.protocol import client_frames

    session = connection_of(event)
    try:
        frame = client_frames.parse(event.get("body") or "")
    except client_frames.BadFrame as exc:
        telemetry.warning("frame refused", connection_id=session.connection_id, reason=str(exc))
        return _reply(server_frames.error(exc.re, server_frames.BAD_FRAME, str(exc)))
    try:
        session = _current(session)
        if session.token_expired and frame["action"] != "auth":
            return _close(session, server_frames.TOKEN_EXPIRED)
        return _ANSWERS[frame["action"]](session, frame)
    except ServiceError as exc:
        telemetry.error("frame not answered", action=frame["action"], error=str(exc))
        return _reply(
            server_frames.error(
                frame["id"], server_frames.OVERLOADED, "try again in a moment", RETRY_AFTER_MS
            )
        )
    except Ended:
        telemetry.info("client left", connection_id=session.connection_id)
        return {"statusCode": 200}


def _hello(session: Connection, frame: Frame) -> Response:
    # The row first, then the head: `deliver` stores first and then reads the rows, so one sees
    # the other.
    connections.refresh(_settings().connections_table, session)
    page = inbox().page(session.user_id)
    plan = None
    if frame["resume"]:
        plan = _plan(session, page.head, frame["resume"], REPLAY_LIMIT, cut=False)
    answer = [
        server_frames.welcome(
            frame["id"],
            connection=session.connection_id,
            time=rfc3339(datetime.now(UTC)),
            epoch=page.head.epoch,
            head=page.head.offset,
            recovered=plan is not None and plan.gap is None,
            replaying=len(plan.replay) if plan else 0,
            token_ms=_token_ms(session.token_expires_at),
        ),
        *server_frames.events(
            server_frames.event(text, None, None, replayed=True)
            for text in _standing(session, page)
        ),
    ]
    if plan:
        answer += _replay(session, frame["id"], plan, frame["resume"])
    return _send(session, answer)


def _standing(session: Connection, page: Page) -> list[str]:
    """Return the notices that no result has superseded."""
    if not page.notices or page.head.epoch is None:
        return page.notices
    first = max(0, page.head.offset - REPLAY_LIMIT)
    recent = inbox().after(session.user_id, page.head.epoch, first, limit=REPLAY_LIMIT)
    finished = {json.loads(stored.text)["subject"] for stored in recent}
    return [text for text in page.notices if json.loads(text)["subject"] not in finished]


def _history(session: Connection, frame: Frame) -> Response:
    # A client that misses events may have lost its row, to a 410 that was not true.
    connections.refresh(_settings().connections_table, session)
    wanted = {"epoch": None, "offset": frame["since"]}
    plan = _plan(session, inbox().head(session.user_id), wanted, frame["limit"], cut=True)
    return _send(session, _replay(session, frame["id"], plan, wanted))


def _pong(session: Connection, frame: Frame) -> Response:
    head = inbox().head(session.user_id)
    return _reply(server_frames.pong(frame["id"], epoch=head.epoch, head=head.offset))


def _auth(session: Connection, frame: Frame) -> Response:
    try:
        identity = credentials.verify_token(frame["token"])
    except Unauthorized as exc:
        return _reply(server_frames.error(frame["id"], server_frames.UNAUTHORIZED, f"token: {exc}"))
    if identity.user_id != session.user_id:
        return _close(session, server_frames.FORBIDDEN)
    renewed = session._replace(token_expires_at=identity.token_expires_at)
    connections.put(_settings().connections_table, renewed)
    return _reply(server_frames.auth_ok(frame["id"], _token_ms(identity.token_expires_at) or 0))


class _Plan(NamedTuple):
    """What asking for all above a cursor leads to: a replay, or a gap with its reason."""

    head: Head
    replay: list[Stored]
    gap: server_frames.GapReason | None


def _plan(session: Connection, head: Head, wanted: Frame, limit: int, *, cut: bool) -> _Plan:
    """Decide whether all above the wanted cursor is there; `cut` serves the first `limit`
    instead of refusing more.
    """
    if wanted["epoch"] and str(wanted["epoch"]) != head.epoch:
        return _Plan(head, [], "epoch_changed")
    if wanted["offset"] > head.offset:
        return _Plan(head, [], "ahead")
    if head.epoch is None or wanted["offset"] == head.offset:
        return _Plan(head, [], None)
    found = inbox().after(session.user_id, head.epoch, wanted["offset"], limit=limit + 1)
    # A hole within what is kept is an event on its way. Without an epoch, all that is kept was
    # asked for.
    whole = bool(found) and found[0].offset == wanted["offset"] + 1
    everything_kept = wanted["epoch"] is None and wanted["offset"] == 0 and not cut
    if (
        not whole
        and not everything_kept
        and inbox().earliest(session.user_id, head) > wanted["offset"] + 1
    ):
        return _Plan(head, [], "expired")
    if len(found) > limit and not cut:
        return _Plan(head, [], "limit")
    return _Plan(head, found[:limit], None)


def _replay(session: Connection, re: object, plan: _Plan, wanted: Frame) -> list[str]:
    if plan.gap is not None:
        telemetry.metrics(Gaps=1)
        return [
            server_frames.gap(
                re,
                requested={name: value for name, value in wanted.items() if value is not None},
                epoch=plan.head.epoch,
                earliest=inbox().earliest(session.user_id, plan.head),
                head=plan.head.offset,
                reason=plan.gap,
            )
        ]
    telemetry.metrics(Replayed=len(plan.replay))
    epoch = plan.head.epoch
    last = plan.replay[-1].offset if plan.replay else wanted["offset"]
    items = (
        server_frames.event(stored.text, epoch, stored.offset, replayed=True)
        for stored in plan.replay
    )
    return [*server_frames.events(items), server_frames.caught_up(re, last)]


def _current(session: Connection) -> Connection:
    """Return the connection with the end of the token it showed last: read only when the first
    one has ended.
    """
    if not session.token_expired:
        return session
    table = _settings().connections_table
    return connections.get(table, session.user_id, session.connection_id) or session


def _token_ms(token_expires_at: int) -> int | None:
    if token_expires_at == NEVER:
        return None
    return max(0, int((token_expires_at - time.time()) * 1000))


def _send(session: Connection, answer: list[str]) -> Response:
    for frame in answer[:-1]:
        _post(session, frame)
    return _reply(answer[-1])


def _post(session: Connection, frame: str) -> None:
    request = gateway.post(_management(), session.connection_id, frame.encode())
    result = service.engine().call(request, service.CALL_SECONDS)
    outcome = gateway.outcome(result)
    if outcome == "gone":
        raise Ended
    if outcome != "delivered":
        raise ServiceError("execute-api", result.status, result.reason or outcome)


def _close(session: Connection, code: server_frames.Code) -> Response:
    """Say why, then end the connection: API Gateway itself carries neither code nor reason."""
    telemetry.info("connection closed", connection_id=session.connection_id, code=code.code)
    _post(session, server_frames.close(code))
    ending = gateway.close(_management(), session.connection_id)
    service.engine().call(ending, service.CALL_SECONDS)
    return {"statusCode": 200}


def _reply(frame: str) -> Response:
    return {"statusCode": 200, "body": frame}


def _settings() -> settings.Message:
    return settings.load(settings.Message)


_ANSWERS: dict[str, Callable[[Connection, Frame], Response]] = {
    "hello": _hello,
    "ping": _pong,
    "history": _history,
    "auth": _auth,
}


@cache
def inbox() -> Inbox:
    """Return the process's inbox."""
    return Inbox(_settings().inbox_table, _settings().inbox_retention_days)


@cache
def _management() -> Endpoint:
    return gateway.management_endpoint(_settings().management_endpoint)

"""A fake Herald for the studio's tests. It verifies webhooks, stores streams and implements
herald.v1.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

import jwt
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from local.studio.store import Job, timestamp

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from local.studio.settings import Settings

EPOCH = "01960000-0000-7000-8000-000000000001"


class MemoryStore:
    """The `generations` table in memory, shared by the studio and the fake Herald."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def insert(self, generation_id: UUID, user: str, prompt: str, job: Job) -> dict[str, Any]:
        """Add a PENDING generation and return it."""
        now = timestamp(datetime.now(UTC))
        row = {"id": str(generation_id), "user": user, "prompt": prompt, "status": "PENDING"}
        nothing = dict.fromkeys(("imageUrl", "imageHeight", "imageWidth", "coreModel", "error"))
        with self._lock:
            self.rows[row["id"]] = {**row, **nothing, "createdAt": now, "updatedAt": now}
        return self.rows[row["id"]]

    def latest(self, user: str) -> list[dict[str, Any]]:
        """The user's generations, newest first."""
        with self._lock:
            return [row for row in reversed(self.rows.values()) if row["user"] == user]


class FakeHerald:
    """Herald with its streams in memory.

    The next webhooks get the responses in `answers`, and the owner gets a notice for each. Later
    webhooks are accepted. While `refusing` is true, no client can connect. Webhooks with a result
    wait until `gate` is set. The others send `progress`, the fields of a progress event, if it is
    set.
    """

    def __init__(self, settings: Settings, store: MemoryStore) -> None:
        self._settings = settings
        self._secret = json.loads(Path(settings.provider_keys).read_text())["replicate"]["secret"]
        self._store = store
        self._streams: dict[str, list[dict[str, Any]]] = {}
        self._sockets: dict[str, set[WebSocket]] = {}
        self._expired: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.refusing = False
        self.gate = threading.Event()
        self.gate.set()
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.webhooks: list[dict[str, str]] = []
        self.progress: dict[str, Any] | None = None
        self._running: dict[str, dict[str, Any]] = {}
        self.app = Starlette(
            routes=[
                Route("/callbacks/replicate/{generation}", self._callback, methods=["POST"]),
                WebSocketRoute("/ws", self._connection),
            ]
        )

    def expire(self, user: str) -> None:
        """Forget everything published to a user so far."""
        self._expired[user] = len(self._streams[user])

    def complete(self, generation_id: str, image_url: str) -> None:
        """Complete a generation, as a webhook does. At least one client must have connected."""
        row = self._store.rows[generation_id]
        now = timestamp(datetime.now(UTC))
        row.update(status="COMPLETE", imageUrl=image_url, updatedAt=now)
        self._run(self._publish(row))

    def drop(self) -> None:
        """Close every connection without a close frame."""
        for socket in [each for sockets in self._sockets.values() for each in sockets]:
            self._run(socket.close())

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return sum(map(len, self._sockets.values()))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None, "no client has connected"
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _callback(self, request: Request) -> Response:
        """Read a prediction of Replicate."""
        body, headers = await request.body(), dict(request.headers)
        try:
            Webhook(self._secret).verify(body.decode(), headers)
        except WebhookVerificationError:
            return JSONResponse({"error": "bad signature"}, status_code=401)
        prediction = json.loads(body)
        row = self._store.rows[request.path_params["generation"]]
        if prediction["status"] == "processing":
            await self._report(row)
            return JSONResponse({})
        self.webhooks.append(headers)
        await asyncio.to_thread(self.gate.wait)
        if self.answers:
            status, more = self.answers.pop(0)
            await self._notify(row)
            return JSONResponse({}, status_code=status, headers=more)
        if prediction["status"] == "succeeded":
            result = {"status": "COMPLETE", "imageUrl": prediction["output"][0]}
        else:
            error = {"code": "generation_failed", "message": prediction["error"]}
            result = {"status": "ERROR", "error": error}
        row.update(result, updatedAt=timestamp(datetime.now(UTC)))
        self._running.pop(row["id"], None)
        await self._publish(row)
        return JSONResponse({})

    async def _publish(self, row: dict[str, Any]) -> None:
        stream = self._streams.setdefault(row["user"], [])
        names = ("prompt", "status", "imageUrl", "imageHeight", "imageWidth", "coreModel")
        data = {name: row[name] for name in (*names, "createdAt", "updatedAt")}
        if row["error"]:
            data["error"] = row["error"]
        event = {
            "specversion": "1.0",
            "id": str(uuid5(UUID(row["id"]), "2")),
            "type": f"herald.generation.{row['status'].lower()}",
            "subject": row["id"],
            "time": row["updatedAt"],
            "userid": row["user"],
            "data": data,
        }
        frame = {"type": "event", "epoch": EPOCH, "offset": len(stream) + 1, "event": event}
        stream.append(frame)
        await self._post(row["user"], {**frame, "replayed": False})

    async def _post(self, user: str, frame: dict[str, Any]) -> None:
        """Send a frame to a user's clients, except those that have just gone."""
        for socket in list(self._sockets.get(user, ())):
            with suppress(WebSocketDisconnect):
                await socket.send_json(frame)

    async def _report(self, row: dict[str, Any]) -> None:
        """Send the scripted progress, and keep it for clients that connect later."""
        if self.progress is None:
            return
        known = {"progress": None, "step": None, "previewUrl": None, **self.progress}
        event = {
            "id": str(uuid4()),
            "type": "herald.generation.progress",
            "subject": row["id"],
            "time": timestamp(datetime.now(UTC)),
            "userid": row["user"],
            "data": {"status": "PENDING", "prompt": None, **known},
        }
        frame = {"type": "event", "epoch": None, "offset": None, "replayed": False, "event": event}
        self._running[row["id"]] = frame
        await self._post(row["user"], frame)

    async def _notify(self, row: dict[str, Any]) -> None:
        names = ("prompt", "imageUrl", "imageHeight", "imageWidth", "coreModel", "createdAt")
        error = {"code": "not_recorded", "message": "The result could not be recorded yet."}
        now = timestamp(datetime.now(UTC))
        data = {**dict.fromkeys(names), "status": "ERROR", "updatedAt": now, "error": error}
        event = {"id": str(uuid5(UUID(row["id"]), "notice")), "subject": row["id"], "time": now}
        frame = {"type": "event", "epoch": None, "offset": None, "replayed": False}
        await self._post(row["user"], {**frame, "event": {**event, "data": data}})

    async def _connection(self, socket: WebSocket) -> None:
        self._loop = asyncio.get_running_loop()
        if self.refusing:
            return await socket.close()
        protocol, bearer = socket.scope["subprotocols"]
        claims = jwt.decode(
            bearer.removeprefix("bearer."),
            self._settings.jwt_secret,
            algorithms=["HS256"],
            issuer=self._settings.jwt_issuer,
            audience=self._settings.jwt_audience,
        )
        user = claims["sub"]
        await socket.accept(subprotocol=protocol)
        sockets = self._sockets.setdefault(user, set())
        sockets.add(socket)
        try:
            while True:
                await self._answer(socket, user, await socket.receive_json())
        except WebSocketDisconnect:
            pass
        finally:
            sockets.discard(socket)

    async def _answer(self, socket: WebSocket, user: str, frame: dict[str, Any]) -> None:
        stream = self._streams.setdefault(user, [])
        place = {"epoch": EPOCH if stream else None, "head": len(stream)}
        match frame["action"]:
            case "hello":
                resume = frame.get("resume")
                since = resume["offset"] if resume else len(stream)
                expired = self._expired.get(user, 0)
                gap = since < expired
                welcome = {"recovered": bool(resume) and not gap, "token_ms": 900_000}
                replaying = {"replaying": 0 if gap else len(stream) - since}
                limits = {"ping_ms": 270_000, "lifetime_ms": 6_600_000, "max_frame": 32_768}
                limits["keepalive_ms"] = 510_000
                meta = {"type": "welcome", "re": frame["id"], "connection": uuid4().hex}
                await socket.send_json({**meta, "stream": place, **welcome, **replaying, **limits})
                if gap:
                    reason = {"requested": resume, "earliest": expired + 1, "reason": "expired"}
                    await socket.send_json({"type": "gap", "re": frame["id"], **place, **reason})
                elif resume:
                    await self._replay(socket, stream[since:], frame["id"])
                for progress in self._running.values():
                    if progress["event"]["userid"] == user:
                        await socket.send_json(progress)
            case "history":
                since = frame["since"]
                await self._replay(socket, stream[since : since + frame["limit"]], frame["id"])
            case "ping":
                await socket.send_json({"type": "pong", "re": frame["id"], **place})
            case "auth":
                await socket.send_json({"type": "auth_ok", "re": frame["id"], "token_ms": 900_000})

    async def _replay(self, socket: WebSocket, frames: list[dict[str, Any]], request: int) -> None:
        items = [{**frame, "replayed": True} for frame in frames]
        await socket.send_json({"type": "events", "items": items})
        offset = frames[-1]["offset"] if frames else 0
        await socket.send_json({"type": "caught_up", "re": request, "offset": offset})

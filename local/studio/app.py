"""The studio's web application. It serves the page, its state, tokens for users, and images."""

from __future__ import annotations

import asyncio
import html
import json
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.studio.provider import PROVIDERS, Provider
from local.studio.settings import Settings
from local.studio.store import Job, PostgresStore, Store, StoreError
from local.tokens import Issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATIC = Path(__file__).parent / "static"
_CLIENT = Path(__file__).parents[2] / "clients" / "js"
_USER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?")
_LONGEST_PROMPT = 1_000
_LARGEST_BODY = 16_384
_TOKEN_SECONDS = 900


class Rejected(Exception):
    """The request is invalid; `field` names the invalid field."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


def create_app(settings: Settings | None = None, store: Store | None = None) -> Starlette:
    """Return the application. Without arguments, it reads its settings from the environment when it
    starts.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.settings = settings or Settings.from_environment()
        app.state.store = store or PostgresStore(app.state.settings.database_url)
        app.state.provider = Provider(app.state.settings)
        yield
        await app.state.provider.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/", _page),
            Route("/healthz", _health),
            Route("/api/generations", _generate, methods=["POST"]),
            Route("/api/generations", _generations, methods=["GET"]),
            Route("/api/token", _token),
            Route("/images/{id:uuid}.png", _image),
            Mount("/static", StaticFiles(directory=_STATIC)),
            Mount("/herald", StaticFiles(directory=_CLIENT)),
        ],
        exception_handlers={
            Rejected: _rejected,
            StoreError: _unavailable,
            HTTPException: _http_error,
        },
    )
    app.add_middleware(_Headers)
    return app


async def _page(request: Request) -> Response:
    url = _settings(request).websocket_url
    page = (_STATIC / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(page.replace("{{websocket_url}}", html.escape(url)))


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _generate(request: Request) -> Response:
    body = await _body(request)
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise Rejected(422, "prompt must be a non-empty string", "prompt")
    if len(prompt) > _LONGEST_PROMPT or "\x00" in prompt:
        raise Rejected(422, f"prompt must have at most {_LONGEST_PROMPT} characters", "prompt")
    provider = body.get("provider", PROVIDERS[0])
    if provider not in PROVIDERS:
        raise Rejected(422, f"provider must be one of {', '.join(PROVIDERS)}", "provider")
    user, generation_id = _user(body.get("user")), uuid4()
    store: Store = request.app.state.store
    job = Job(provider, f"studio-{generation_id.hex}")
    generation = await asyncio.to_thread(store.insert, generation_id, user, prompt.strip(), job)
    request.app.state.provider.start(generation_id, prompt.strip(), job)
    return JSONResponse(generation, status_code=201)


async def _generations(request: Request) -> Response:
    store: Store = request.app.state.store
    user = _user(request.query_params.get("user"))
    return JSONResponse({"generations": await asyncio.to_thread(store.latest, user)})


async def _token(request: Request) -> Response:
    """Issue a token for any user. A real application would take the user from its own session."""
    settings = _settings(request)
    issuer = Issuer(settings.jwt_secret, settings.jwt_issuer, settings.jwt_audience)
    token = issuer.token(_user(request.query_params.get("user")), _TOKEN_SECONDS)
    return JSONResponse({"token": token, "expiresIn": _TOKEN_SECONDS})


async def _image(request: Request) -> Response:
    generation_id: UUID = request.path_params["id"]
    path = _settings(request).images / f"{generation_id}.png"
    if not path.is_file():
        raise HTTPException(404, "there is no such image")
    return FileResponse(path, headers={"cache-control": "public, max-age=31536000, immutable"})


def _user(user: object) -> str:
    if not isinstance(user, str) or not _USER.fullmatch(user):
        raise Rejected(
            422, "user must be 1 to 64 letters, digits, dots, dashes, underscores or @", "user"
        )
    return user


async def _body(request: Request) -> dict[str, Any]:
    # An HTML form of another site cannot send this content type, so it cannot create generations.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Rejected(415, "send the request as application/json")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _LARGEST_BODY:
            raise Rejected(413, f"the request must have at most {_LARGEST_BODY} bytes")
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise Rejected(422, "the request is not JSON") from exc
    if not isinstance(body, dict):
        raise Rejected(422, "the request must be a JSON object")
    return body


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _error(status: int, message: str, **more: Any) -> Response:
    return JSONResponse({"error": {"message": message, **more}}, status_code=status)


async def _rejected(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, Rejected)  # noqa: S101
    return _error(exc.status, str(exc), **({"field": exc.field} if exc.field else {}))


async def _unavailable(_: Request, exc: Exception) -> Response:
    response = _error(503, str(exc))
    response.headers["retry-after"] = "1"
    return response


async def _http_error(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101
    response = _error(exc.status_code, exc.detail)
    response.headers.update(exc.headers or {})
    return response


class _Headers:
    """Middleware with security headers. The page may load only its own files and connect only to
    Herald.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add to every response those of the headers that it does not set itself."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                headers = _security_headers(scope["app"].state.settings)
                message["headers"] += [each for each in headers if each[0] not in given]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _security_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    herald, studio = urlsplit(settings.websocket_url), urlsplit(settings.studio_url)
    links = urlsplit(settings.callbacks_url)  # the links of kept outputs, and what they lead to
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' {studio.scheme}://{studio.netloc} {links.scheme}://{links.netloc}",
        "connect-src": f"'self' {herald.scheme}://{herald.netloc}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    directives = "; ".join(f"{name} {value}" for name, value in policy.items())
    return [
        (b"content-security-policy", directives.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),
    ]


app = create_app()

"""A small application whose pages use the JavaScript client and the fake Herald."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.studio.store import Job
from local.tokens import Issuer
from tests.fakes.herald import FakeHerald, MemoryStore
from tests.fakes.serving import listener, port, serving
from tests.fakes.studio import studio_settings
from tooling.environments import ensure_node_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

PAGES = Path(__file__).with_name("pages")
CLIENT = Path(__file__).parents[2] / "clients" / "js"


class Application:
    """Its API, its pages and its Herald. Rows are read at once and sent `late` seconds later."""

    def __init__(self, folder: Path) -> None:
        self._settings = studio_settings(folder)
        self._store = MemoryStore()
        self._folder = folder
        self.late = 0.0
        self.loads: list[str] = []
        self.herald = FakeHerald(self._settings, self._store)
        self.url = self.websocket_url = ""

    @property
    def app(self) -> Starlette:
        """The application, for a server."""
        return Starlette(
            routes=[
                Route("/api/generations", self._generations),
                Route("/api/token", self._token),
                Route("/react.js", self._react),
                Route("/{page}.html", self._page),
                Mount("/client", StaticFiles(directory=CLIENT)),
                Mount("/pages", StaticFiles(directory=PAGES)),
            ]
        )

    def submit(self, prompt: str, user: str = "alice") -> str:
        """Insert a generation's row and return its id."""
        return str(self._store.insert(uuid4(), user, prompt, Job("replicate", uuid4().hex))["id"])

    def token(self, user: str = "alice") -> str:
        """Return a token that the fake Herald accepts."""
        settings = self._settings
        issuer = Issuer(settings.jwt_secret, settings.jwt_issuer, settings.jwt_audience)
        return issuer.token(user, 900)

    async def _generations(self, request: Request) -> Response:
        rows = json.loads(json.dumps(self._store.latest("alice")))
        self.loads.append(request.query_params["reason"])
        await asyncio.sleep(self.late)
        return JSONResponse(rows)

    async def _token(self, _: Request) -> Response:
        return PlainTextResponse(self.token())

    async def _page(self, request: Request) -> Response:
        text = (PAGES / f"{request.path_params['page']}.html").read_text()
        return HTMLResponse(text.replace("{{websocket_url}}", self.websocket_url))

    async def _react(self, _: Request) -> Response:
        return FileResponse(await asyncio.to_thread(self._bundle))

    def _bundle(self) -> Path:
        """Bundle the React page as an application does, in development mode."""
        packages = ensure_node_packages()
        bundle = self._folder / "react.js"
        options: list[Any] = ["--bundle", "--format=esm", "--jsx=automatic", f"--outfile={bundle}"]
        options += [f"--alias:{name}={packages / name}" for name in ("react", "react-dom")]
        options += ["--define:process.env.NODE_ENV='development'", "--log-level=error"]
        esbuild = packages / "esbuild" / "bin" / "esbuild"
        subprocess.run([esbuild, PAGES / "react.jsx", *options], check=True, timeout=60)
        return bundle


@contextmanager
def application(folder: Path) -> Iterator[Application]:
    """Serve an application and its Herald."""
    pages, herald = listener(), listener()
    made = Application(folder)
    made.url = f"http://127.0.0.1:{port(pages)}"
    made.websocket_url = f"ws://127.0.0.1:{port(herald)}/ws"
    with serving(made.herald.app, herald), serving(made.app, pages):
        yield made

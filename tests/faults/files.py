"""The files of a run: a stand-in CDN serves them and then forgets them. Afterwards, every link in
the events that clients received is followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING

import httpx

from tests.media_files import png

if TYPE_CHECKING:
    import random

    from tests.faults.history import History
    from tests.faults.stack import FaultStack
    from tests.integration.outputs.cdn import Cdn, Handler, Request

# How the CDN serves a file, and how often it does so. "never" is a 410, after which waiting does
# not help: `keep` uses up its attempts at once.
MANNERS = {"at once": 6, "slowly": 2, "after an error": 1, "never": 1}
SLOWLY = 1.0  # seconds before a slow answer
LINKS_AT_ONCE = 4
_COUNTED = {
    "callback": ("OutputsPassedOn",),
    "reconcile": ("OutputsPassedOn",),
    "relay": ("OutputsPassedOn",),
    "keep": ("OutputsKept", "OutputsNotKept"),
}


class Files:
    """The files of all generations of a run."""

    def __init__(self, server: Cdn, history: History, source: random.Random) -> None:
        self._server = server
        self._history = history
        self._source = source

    def add(self, generation: str, *, may_be_late: bool) -> tuple[str, ...]:
        """Serve one or two files; return their URLs.

        A file that is served after an error is copied at the second attempt, 15 s later. It is late
        for a short run, so only generations with `may_be_late` have such files.
        """
        count = self._source.choice((1, 1, 2))
        return tuple(self._add(generation, number, may_be_late) for number in range(count))

    def _add(self, generation: str, number: int, may_be_late: bool) -> str:
        content = png(640, 480) + self._source.randbytes(self._source.randint(1_000, 200_000))
        manner = self._source.choices(list(MANNERS), weights=list(MANNERS.values()))[0]
        if manner == "after an error" and not may_be_late:
            manner = "at once"
        path = f"/{generation}/{number}.png"
        self._server.files[path] = _serving(content, manner)
        url = self._server.url(path)
        self._history.add(
            "cdn", "file", generation=generation, number=number, url=url,
            digest=_digest(content), manner=manner,
        )  # fmt: skip
        return url

    def forget(self) -> None:
        """Answer every request with 404 from now on."""
        self._server.files.clear()
        self._history.add("cdn", "forgotten")


class Links:
    """The links in the events that clients handled."""

    def __init__(self, stack: FaultStack, history: History, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._history = history
        self._http = http
        self._began = time.time()
        self._files = {op.data["url"] for op in history.of("file")}
        self._generations = {op.data["generation"] for op in history.of("generation")}
        self._dead: set[str] = set()  # generations whose event is in keep's dead-letter queue
        self._kept: set[str] = set()  # links
        self._slots = asyncio.Semaphore(LINKS_AT_ONCE)

    async def settled(self) -> bool:
        """Whether `keep` has copied each output or has given it up."""
        await asyncio.to_thread(self._collect_dead)
        waiting = [
            link
            for link, generation in self._found().items()
            if link not in self._kept and generation not in self._dead
        ]
        copied = await asyncio.gather(*map(self._is_kept, waiting))
        self._kept.update(link for link, kept in zip(waiting, copied, strict=True) if kept)
        return all(copied)

    async def follow(self) -> None:
        """Follow every link and record what it leads to, and what the functions have counted."""
        await asyncio.gather(*map(self._follow, self._found()))
        for handler, names in _COUNTED.items():
            text = await asyncio.to_thread(self._stack.logs, handler, self._began)
            for name in names:
                count = sum(map(int, re.findall(rf'"{name}":(\d+)', text)))
                self._history.add(handler, "counted", metric=name, count=count)

    def _found(self) -> dict[str, str]:
        """The links, and their generations; without the CDN's own addresses."""
        return {
            link: op.data["generation"]
            for op in self._history.of("handled")
            for link in op.data["links"]
            if link not in self._files
        }

    def _collect_dead(self) -> None:
        for body in self._stack.drain("HERALD_KEEP_DLQ_URL"):
            generation = json.loads(body)["subject"]
            if generation in self._generations:  # other suites use the same stack
                self._dead.add(generation)
                self._history.add("keep", "not_kept", generation=generation)

    async def _is_kept(self, link: str) -> bool:
        try:
            async with self._slots:
                answer = await self._http.get(link, headers={"accept": "application/json"})
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and bool(answer.json()["kept"])

    async def _follow(self, link: str) -> None:
        kept = await self._is_kept(link)
        status, digest = 0, None
        try:
            async with self._slots:
                answer = await self._http.get(link, follow_redirects=True)
            status, digest = answer.status_code, _digest(answer.content)
        except httpx.TransportError:
            pass
        self._history.add("end", "followed", link=link, kept=kept, status=status, digest=digest)


def _serving(content: bytes, manner: str) -> Handler:
    requests: list[Request] = []

    def serve(request: Request) -> None:
        requests.append(request)
        if manner == "slowly":
            time.sleep(SLOWLY)
        if manner == "never":
            request.answer(410, {"content-length": "0"})
        elif manner == "after an error" and len(requests) == 1:
            request.answer(503, {"content-length": "0"})
        else:
            request.serve(content, "image/png")

    return serve


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

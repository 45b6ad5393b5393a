"""Stand-ins of the providers' APIs, over HTTP. They know jobs and answer in each provider's form.

The forms are those of the fixtures in tests/unit/providers/polled/, which name their sources. One
server stands in for all providers, each below its real path; a wrong key is answered with 401.
"""

from __future__ import annotations

import base64
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.providers import registry
from tests.fakes.http_server import HttpServer
from tooling.providers.samples import Job, State, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Body = dict[str, Any]

KEY = "the-key-of-the-api"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100)


class Known(NamedTuple):
    """A job of a provider: its state, and the URLs of its files."""

    state: State
    urls: tuple[str, ...] = ("https://images.example.com/1.png",)


class Refusal(NamedTuple):
    """An answer instead of the job's: a status, and a Retry-After in seconds."""

    status: int
    retry_after: int | None = None


class ProviderApis(HttpServer):
    """The APIs of all providers."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], Known] = {}
        self.refusals: dict[str, Refusal] = {}  # by provider
        self.fixed: dict[tuple[str, str], Any] = {}  # answers, by provider and path
        self.asked: list[tuple[str, str, str]] = []  # provider, method and path
        self.canceled: list[tuple[str, str]] = []
        apis = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                status, headers, body = apis.handle(self.command, self.path, dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names of the library

            def log_message(self, *arguments: Any) -> None:
                pass

        super().__init__(Handler)

    @property
    def addresses(self) -> dict[str, str]:
        """Other addresses of the APIs, as in HERALD_PROVIDER_APIS."""
        return {
            name: f"{self.url}/{name}{_path(name)}" for name in registry.NAMES if name in ROUTES
        }

    def put(self, provider: str, job_id: str, state: State, *urls: str) -> None:
        """Add a job, or change its state."""
        self.jobs[provider, job_id] = Known(state, urls) if urls else Known(state)

    def handle(
        self, method: str, path: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request."""
        _, provider, rest = path.split("/", 2)
        self.asked.append((provider, method, f"/{rest}"))
        kind = {"content-type": "application/json"}
        if refusal := self.refusals.get(provider):
            waiting = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
            return refusal.status, {**kind, **waiting}, b"{}"
        if not any(KEY in value for value in headers.values()):
            return 401, kind, b'{"detail": "Unauthorized"}'
        if (fixed := self.fixed.get((provider, f"/{rest}"))) is not None:
            return 200, kind, fixed if isinstance(fixed, bytes) else json.dumps(fixed).encode()
        for pattern, answer in ROUTES[provider]:
            if found := re.fullmatch(pattern, f"/{rest}"):
                job_id = found["id"]
                if method != "GET":
                    self.canceled.append((provider, job_id))
                file = Known("succeeded") if ":download" in rest else None
                if known := self.jobs.get((provider, job_id), file):
                    status, body = answer(known, job_id)
                    text = body if isinstance(body, bytes) else json.dumps(body).encode()
                    return status if method == "GET" else 202, kind, text
        return 404, kind, b'{"detail": "Not found"}'


def serving() -> Iterator[ProviderApis]:
    """Serve the stand-ins, for the body of a fixture."""
    apis = ProviderApis()
    yield apis
    apis.stop()


def _path(provider: str) -> str:
    adapter = registry.adapter(provider)
    assert adapter is not None
    assert adapter.polling is not None
    return "/" + adapter.polling.url.split("/", 3)[3] if adapter.polling.url.count("/") > 2 else "/"


def _as_webhook(provider: str, running: Body) -> Callable[[Known, str], tuple[int, Body]]:
    """The job in the form of the provider's webhook; `running` if there is no such webhook."""

    def answer(known: Known, job_id: str) -> tuple[int, Body]:
        body = sample(provider, known.state, Job("", job_id, known.urls))
        return 200, running if body is None else json.loads(body)

    return answer


def _replicate(known: Known, job_id: str) -> tuple[int, Body]:
    status, found = _as_webhook("replicate", {})(known, job_id)
    return status, {**found, "version": "hidden", "input": {"prompt": "p"}, "metrics": {}}


def _bfl(known: Known, job_id: str) -> tuple[int, Body]:
    if known.state == "running":
        return 200, {"id": job_id, "status": "Pending", "result": None, "progress": 0.5}
    return _as_webhook("bfl", {})(known, job_id)


def _fal_status(known: Known, job_id: str) -> tuple[int, Body]:
    if known.state == "running":
        return 202, {"status": "IN_PROGRESS", "request_id": job_id}
    error = {} if known.state == "succeeded" else {"error": "Invalid status code: 422"}
    return 200, {"status": "COMPLETED", "request_id": job_id, **error}


def _fal_result(known: Known, job_id: str) -> tuple[int, Body]:
    webhook = json.loads(sample("fal", known.state, Job("", job_id, known.urls)) or b"{}")
    return (200 if webhook["status"] == "OK" else 422), webhook["payload"] or {"detail": "broken"}


def _ideogram(known: Known, job_id: str) -> tuple[int, Body]:
    words = {"running": "pending", "failed": "failed"}
    if known.state in words:
        return 200, {"generation_id": job_id, "status": words[known.state]}
    _, found = _as_webhook("ideogram", {})(known, job_id)
    return 200, {**found, "status": "completed"}


def _leonardo(known: Known, job_id: str) -> tuple[int, Body]:
    if known.state == "running":
        return 200, {"generations_by_pk": {"id": job_id, "status": "PENDING"}}
    _, found = _as_webhook("leonardo", {})(known, job_id)
    generation = found["data"]["object"]
    return 200, {"generations_by_pk": {**generation, "generated_images": generation.pop("images")}}


def _kling(known: Known, job_id: str) -> tuple[int, Body]:
    words = {"running": "processing", "succeeded": "succeed"}
    videos = [{"id": "v1", "url": url, "duration": "5"} for url in known.urls]
    done = known.state == "succeeded"
    task = {
        "task_id": job_id,
        "task_status": words.get(known.state, "failed"),
        "task_status_msg": "" if done else "broken",
        "task_result": {"videos": videos} if done else {},
    }
    return 200, {"code": 0, "message": "SUCCEED", "data": task}


def _runway(known: Known, job_id: str) -> tuple[int, Body]:
    words = {"running": "RUNNING", "succeeded": "SUCCEEDED", "canceled": "CANCELLED"}
    body: Body = {"id": job_id, "status": words.get(known.state, "FAILED")}
    if known.state == "running":
        return 200, {**body, "progress": 0.5}
    return 200, {**body, "output": list(known.urls)} if known.state == "succeeded" else body


def _stability(known: Known, job_id: str) -> tuple[int, Body]:
    if known.state == "running":
        return 202, {"id": job_id, "status": "in-progress"}
    if known.state == "moderated":
        return 200, {"finish_reason": "CONTENT_FILTERED", "result": base64.b64encode(PNG).decode()}
    return 200, {"finish_reason": "SUCCESS", "result": base64.b64encode(PNG).decode(), "seed": 1}


def _openai(known: Known, job_id: str) -> tuple[int, Body]:
    words = {"running": "in_progress", "succeeded": "completed", "canceled": "cancelled"}
    picture = {"id": "ig_1", "type": "image_generation_call", "status": "completed"}
    body: Body = {
        "id": job_id,
        "object": "response",
        "created_at": 1795600000,
        "model": "gpt-6-astra",
        "status": words.get(known.state, "failed"),
        "metadata": {},
        "error": None,
        "incomplete_details": None,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "background": True,
    }
    if known.state == "succeeded":
        body["output"] = [{**picture, "result": base64.b64encode(PNG).decode()}]
    if known.state in ("failed", "moderated"):
        code = "server_error" if known.state == "failed" else "content_policy_violation"
        body["error"] = {"code": code, "message": "broken"}
    return 200, body


def _gemini(known: Known, job_id: str) -> tuple[int, Body]:
    name = f"models/veo-3.1-generate-preview/operations/{job_id}"
    if known.state == "running":
        return 200, {"name": name}
    if known.state != "succeeded":
        return 200, {"name": name, "done": True, "error": {"code": 3, "message": "broken"}}
    uri = "https://generativelanguage.googleapis.com/v1beta/files/abc:download?alt=media"
    answer = {"generatedSamples": [{"video": {"uri": uri}}]}
    return 200, {"name": name, "done": True, "response": {"generateVideoResponse": answer}}


ROUTES: dict[str, list[tuple[str, Callable[[Known, str], tuple[int, Any]]]]] = {
    "bfl": [(r"/v1/get_result\?id=(?P<id>[^/]+)", _bfl)],
    "fal": [
        (r"/[^/]+/[^/]+/requests/(?P<id>[^/]+)/(status|cancel)", _fal_status),
        (r"/[^/]+/[^/]+/requests/(?P<id>[^/]+)", _fal_result),
    ],
    "gemini": [
        (r"/v1beta/(models/[^/]+/)?operations/(?P<id>[^/]+)", _gemini),
        (r"/v1beta/files/(?P<id>[^/]+):download\?alt=media", lambda known, job_id: (200, MP4)),
    ],
    "ideogram": [(r"/v1/generations/(?P<id>[^/]+)", _ideogram)],
    "kling": [(r"/v1/videos/text2video/(?P<id>[^/]+)", _kling)],
    "leonardo": [(r"/api/rest/v1/generations/(?P<id>[^/]+)", _leonardo)],
    "luma": [(r"/dream-machine/v1/generations/(?P<id>[^/]+)", _as_webhook("luma", {}))],
    "openai": [(r"/v1/responses/(?P<id>[^/]+)", _openai)],
    "replicate": [
        (r"/v1/predictions/(?P<id>[^/]+)(/cancel)?", _replicate),
    ],
    "runpod": [
        (
            r"/v2/[^/]+/(status|cancel)/(?P<id>[^/]+)",
            _as_webhook("runpod", {"status": "IN_PROGRESS"}),
        ),
    ],
    "runway": [(r"/v1/tasks/(?P<id>[^/]+)", _runway)],
    "stability": [(r"/v2beta/results/(?P<id>[^/]+)", _stability)],
}
MODELS = {"fal": "fal-ai/flux/dev", "runpod": "endpoint-1", "gemini": "veo-3.1-generate-preview"}

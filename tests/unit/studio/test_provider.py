"""The provider's webhooks: signed, complete, and retried until they are accepted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from local.studio.provider import PROVIDERS, Provider
from local.studio.provider import Webhook as Sent
from local.studio.store import Job
from tooling.providers import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.studio.settings import Settings

Answer = httpx.Response | Exception


class Endpoint:
    """A fake of Herald's callback, which returns the scripted responses and then 200."""

    def __init__(self, *answers: Answer, wanted: int = 1) -> None:
        self._answers = list(answers)
        self._wanted = wanted
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.reached = asyncio.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if len(self.requests) == self._wanted:
            self.reached.set()
        answer = self._answers.pop(0) if self._answers else httpx.Response(200)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def pause(self, seconds: float) -> None:
        """Record a pause without waiting."""
        self.pauses.append(seconds)

    def provider(self, settings: Settings) -> Provider:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return Provider(settings, client, self.pause)


def job(provider: str = "replicate") -> Job:
    return Job(provider, "p1")


def report(settings: Settings, *answers: Answer) -> tuple[bool, Endpoint]:
    """Report one result to an endpoint with these responses."""

    async def run() -> tuple[bool, Endpoint]:
        endpoint = Endpoint(*answers)
        provider = endpoint.provider(settings)
        try:
            return await provider.report(Sent(job(), uuid4(), b"{}")), endpoint
        finally:
            await provider.close()

    return asyncio.run(run())


def generate(settings: Settings, prompt: str, provider: str = "replicate") -> Generated:
    """Run a generation up to its result."""
    generation_id = uuid4()
    wanted = 1 + 2 * ("running" in samples.states(provider))

    async def run() -> Endpoint:
        endpoint = Endpoint(wanted=wanted)
        running = endpoint.provider(settings)
        running.start(generation_id, prompt, job(provider))
        await asyncio.wait_for(endpoint.reached.wait(), 30)
        await running.close()
        return endpoint

    endpoint = asyncio.run(run())
    assert len(endpoint.requests) == wanted
    return Generated(str(generation_id), endpoint)


class Generated(NamedTuple):
    """A generation that was reported to an endpoint."""

    id: str
    endpoint: Endpoint

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.endpoint.requests]


def secret_of(settings: Settings, provider: str = "replicate") -> str:
    keys: dict[str, dict[str, str]] = json.loads(Path(settings.provider_keys).read_text())
    return keys[provider]["secret"]


def test_a_picture_is_painted_and_reported_as_replicate_reports_it(settings: Settings) -> None:
    found = generate(settings, "a fox")
    for request in found.endpoint.requests:
        assert str(request.url) == f"{settings.callbacks_url}/replicate/{found.id}"
        Webhook(secret_of(settings)).verify(request.content, dict(request.headers))
    first, second, last = found.bodies()
    assert [body["status"] for body in (first, second, last)] == ["processing"] * 2 + ["succeeded"]
    assert "step 9/28" in first["logs"]
    assert "step 19/28" in second["logs"]
    assert last["output"] == [f"http://studio.test/images/{found.id}.png"]
    assert found.endpoint.pauses == [0.1, 1.2, 1.1]
    with Image.open(settings.images / f"{found.id}.png") as image:
        assert (image.format, image.size) == ("PNG", (1024, 1024))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_reports_in_its_own_address(settings: Settings, provider: str) -> None:
    found = generate(settings, "a fox", provider)
    path = found.endpoint.requests[-1].url.path
    if provider in ("generations", "leonardo"):
        assert path == f"/callbacks/{provider}"
    else:
        assert path.startswith(f"/callbacks/{provider}/{found.id}")


def test_a_prompt_with_fail_in_it_fails(settings: Settings) -> None:
    body = generate(settings, "Please FAIL now").bodies()[-1]
    assert (body["status"], body["output"]) == ("failed", None)
    assert body["error"]
    assert not list(settings.images.iterdir())


def test_a_webhook_is_retried_with_the_same_id_until_it_is_accepted(settings: Settings) -> None:
    accepted, endpoint = report(
        settings,
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("no answer"),
        httpx.Response(429),
    )
    assert accepted
    assert len(endpoint.requests) == 5
    assert len({request.headers["webhook-id"] for request in endpoint.requests}) == 1
    for request in endpoint.requests:
        Webhook(secret_of(settings)).verify(request.content, dict(request.headers))
    for pause, ceiling in zip(endpoint.pauses, (0.5, 1, 2, 4), strict=True):
        assert ceiling / 2 <= pause <= ceiling


def test_retry_after_is_honoured(settings: Settings) -> None:
    answers = [httpx.Response(503, headers={"retry-after": "7"}), httpx.Response(503)]
    accepted, endpoint = report(settings, *answers)
    assert accepted
    assert endpoint.pauses[0] == 7
    assert endpoint.pauses[1] <= 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_a_rejected_webhook_is_not_retried(settings: Settings, status: int) -> None:
    accepted, endpoint = report(settings, httpx.Response(status))
    assert not accepted
    assert len(endpoint.requests) == 1


def test_a_webhook_is_given_up_after_ten_attempts(settings: Settings) -> None:
    accepted, endpoint = report(settings, *[httpx.Response(500)] * 20)
    assert not accepted
    assert len(endpoint.requests) == 10
    assert max(endpoint.pauses) <= 30


def test_closing_cancels_running_generations(settings: Settings) -> None:
    async def run() -> int:
        endpoint = Endpoint()
        waiting = asyncio.Event()

        async def forever(_: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        client = httpx.AsyncClient(transport=httpx.MockTransport(endpoint))
        provider = Provider(settings, client, forever)
        provider.start(uuid4(), "a fox", job())
        await waiting.wait()
        await provider.close()
        others: Callable[[], int] = lambda: len(asyncio.all_tasks())  # noqa: E731
        assert others() == 1, "no task but this one is left"
        return len(endpoint.requests)

    assert asyncio.run(run()) == 0

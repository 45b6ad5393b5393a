"""The provider's webhooks: signed, complete, and retried until they are accepted."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from local.studio.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.studio.settings import Settings

Answer = httpx.Response | Exception


class Endpoint:
    """A fake of Herald's callback, which returns the scripted responses and then 200."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.reached = asyncio.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
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


def report(settings: Settings, *answers: Answer) -> tuple[bool, Endpoint]:
    """Report one result to an endpoint with these responses."""

    async def run() -> tuple[bool, Endpoint]:
        endpoint = Endpoint(*answers)
        provider = endpoint.provider(settings)
        try:
            return await provider.report({"generationId": "g", "status": "COMPLETE"}), endpoint
        finally:
            await provider.close()

    return asyncio.run(run())


def generate(settings: Settings, prompt: str) -> tuple[dict[str, Any], httpx.Request, Endpoint]:
    """Run a generation up to its webhook; return the body, the request and the endpoint."""
    generation_id = uuid4()

    async def run() -> Endpoint:
        endpoint = Endpoint()
        provider = endpoint.provider(settings)
        provider.start(generation_id, prompt)
        await asyncio.wait_for(endpoint.reached.wait(), 30)
        await provider.close()
        return endpoint

    endpoint = asyncio.run(run())
    (request,) = endpoint.requests
    body: dict[str, Any] = json.loads(request.content)
    assert body["generationId"] == str(generation_id)
    return body, request, endpoint


def test_a_picture_is_painted_and_reported_with_a_standard_signature(settings: Settings) -> None:
    body, request, endpoint = generate(settings, "a fox")
    assert str(request.url) == settings.callback_url
    assert Webhook(settings.webhook_secret).verify(request.content, dict(request.headers)) == body
    assert body == {
        "generationId": body["generationId"],
        "status": "COMPLETE",
        "imageUrl": f"http://studio.test/images/{body['generationId']}.png",
        "imageHeight": 1024,
        "imageWidth": 1024,
        "coreModel": "studio-painter-1",
    }
    assert 1.0 <= endpoint.pauses[0] <= 2.0
    with Image.open(settings.images / f"{body['generationId']}.png") as image:
        assert (image.format, image.size) == ("PNG", (1024, 1024))


def test_a_prompt_with_fail_in_it_fails(settings: Settings) -> None:
    body, _, _ = generate(settings, "Please FAIL now")
    assert body["status"] == "ERROR"
    assert body["imageUrl"] is None
    assert body["error"]["code"] == "PAINTER_REFUSED"
    assert "failure" in body["error"]["message"]
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
        Webhook(settings.webhook_secret).verify(request.content, dict(request.headers))
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
        provider.start(uuid4(), "a fox")
        await waiting.wait()
        await provider.close()
        others: Callable[[], int] = lambda: len(asyncio.all_tasks())  # noqa: E731
        assert others() == 1, "no task but this one is left"
        return len(endpoint.requests)

    assert asyncio.run(run()) == 0

"""The generation providers, imitated. They draw an image and call Herald as the real ones do."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

import httpx

from local.studio import artwork
from tooling.providers import samples, signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.studio.settings import Settings
    from local.studio.store import Job

logger = logging.getLogger(__name__)

PROVIDERS = (
    *("replicate", "fal", "runpod", "bfl", "kling", "ideogram", "luma"),
    *("comfydeploy", "leonardo", "wavespeed", "hmac", "generations"),
)
STEPS = 28
# seconds before each report of progress, for a provider that sends any, and before the result; a
# report can be delivered a second later
_PAUSES = (0.1, 1.2, 1.1)
_ATTEMPTS = 10
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_WAIT_FOR_ANSWER = 30.0


class Webhook(NamedTuple):
    """A provider's report about one generation, which is signed again for each attempt."""

    job: Job
    generation_id: UUID
    body: bytes


class Provider:
    """Starts generations, draws their images and reports the results."""

    def __init__(
        self,
        settings: Settings,
        client: httpx.AsyncClient | None = None,
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._keys = json.loads(Path(settings.provider_keys).read_text())
        self._client = client or httpx.AsyncClient(timeout=_WAIT_FOR_ANSWER, trust_env=False)
        self._pause = pause
        self._painters = asyncio.Semaphore(2)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, generation_id: UUID, prompt: str, job: Job) -> None:
        """Start a generation in the background."""
        task = asyncio.create_task(self._generate(generation_id, prompt, job))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def close(self) -> None:
        """Cancel the running generations."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            logger.error("a generation failed without a result", exc_info=failure)

    async def _generate(self, generation_id: UUID, prompt: str, job: Job) -> None:
        for number, seconds in enumerate(_PAUSES[:-1], 1):
            await self._pause(seconds)
            done = number / len(_PAUSES)
            step = f"step {round(done * STEPS)}/{STEPS}"
            body = self._payload(generation_id, job, "running", progress=done, step=step)
            if body is not None:  # called once: progress may be lost
                await self._call(Webhook(job, generation_id, body), f"msg_{uuid4().hex}")
        await self._pause(_PAUSES[-1])
        body = await self._result(generation_id, prompt, job)
        await self.report(Webhook(job, generation_id, body))

    async def _result(self, generation_id: UUID, prompt: str, job: Job) -> bytes:
        if "fail" in prompt.lower():
            failed = self._payload(generation_id, job, "failed")
            return failed or self._payload(generation_id, job, "moderated") or b""
        path = self._settings.images / f"{generation_id}.png"
        async with self._painters:
            await asyncio.to_thread(_paint, f"{prompt}/{generation_id}", path)
        return self._payload(generation_id, job, "succeeded") or b""

    def _payload(
        self, generation_id: UUID, job: Job, state: samples.State, **progress: Any
    ) -> bytes | None:
        """Return a report, or None if the provider never sends one of this state."""
        url = f"{self._settings.studio_url.rstrip('/')}/images/{generation_id}.png"
        known = samples.Job(str(generation_id), job.provider_id, (url,), **progress)
        sized = known._replace(width=artwork.SIZE, height=artwork.SIZE, at=samples.now())
        return samples.sample(job.provider, state, sized)

    async def report(self, webhook: Webhook) -> bool:
        """Call Herald until the report is accepted or rejected.

        Returns True if it is accepted within ten calls.
        """
        delivery_id = f"msg_{uuid4().hex}"
        delay = _FIRST_DELAY
        for attempt in range(1, _ATTEMPTS + 1):
            status, retry_after = await self._call(webhook, delivery_id)
            if 200 <= status < 300:
                return True
            if 400 <= status < 500 and status not in (408, 425, 429):
                logger.error("webhook %s was rejected with %d", delivery_id, status)
                return False
            logger.warning("webhook %s: answer %d to attempt %d", delivery_id, status, attempt)
            if attempt < _ATTEMPTS:
                await self._pause(max(retry_after, random.uniform(delay / 2, delay)))
            delay = min(delay * 2, _LONGEST_DELAY)
        logger.error("webhook %s failed after %d attempts", delivery_id, _ATTEMPTS)
        return False

    async def _call(self, webhook: Webhook, delivery_id: str) -> tuple[int, float]:
        """Call Herald once; return the status (0 without a response) and Retry-After in seconds."""
        name, generation = webhook.job.provider, str(webhook.generation_id)
        signed = signing.sign(
            name,
            webhook.body,
            self._keys[name],
            generation_id=generation,
            delivery_id=delivery_id,
            now=time.time(),
        )
        # these two call one address for all generations
        place = None if name in ("generations", "leonardo") else generation
        url = signed.url(self._settings.callbacks_url, name, place)
        headers = {**signed.headers, "content-type": "application/json"}
        try:
            answer = await self._client.post(url, content=webhook.body, headers=headers)
        except httpx.TransportError as exc:
            logger.warning("webhook %s: %s", delivery_id, exc or type(exc).__name__)
            return 0, 0.0
        seconds = answer.headers.get("retry-after", "")
        return answer.status_code, float(seconds) if seconds.isdecimal() else 0.0


def _paint(seed: str, path: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    artwork.save(artwork.paint(seed), path)

"""The generation provider. It draws an image and calls a signed webhook until it is accepted."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
from standardwebhooks import Webhook

from local.studio import artwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.studio.settings import Settings

logger = logging.getLogger(__name__)

CORE_MODEL = "studio-painter-1"
_ATTEMPTS = 10
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_WAIT_FOR_ANSWER = 30.0


class Provider:
    """Starts generations, draws their images and reports the results."""

    def __init__(
        self,
        settings: Settings,
        client: httpx.AsyncClient | None = None,
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._webhook = Webhook(settings.webhook_secret.split()[0])
        self._client = client or httpx.AsyncClient(timeout=_WAIT_FOR_ANSWER, trust_env=False)
        self._pause = pause
        self._painters = asyncio.Semaphore(2)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, generation_id: UUID, prompt: str) -> None:
        """Start a generation in the background."""
        task = asyncio.create_task(self._generate(generation_id, prompt))
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

    async def _generate(self, generation_id: UUID, prompt: str) -> None:
        await self._pause(random.uniform(1.0, 2.0))
        await self.report(await self._result(generation_id, prompt))

    async def _result(self, generation_id: UUID, prompt: str) -> dict[str, Any]:
        result: dict[str, Any] = {
            "generationId": str(generation_id),
            "status": "COMPLETE",
            "imageUrl": f"{self._settings.studio_url.rstrip('/')}/images/{generation_id}.png",
            "imageHeight": artwork.SIZE,
            "imageWidth": artwork.SIZE,
            "coreModel": CORE_MODEL,
        }
        if "fail" in prompt.lower():
            message = "The painter refused: the prompt asks for a failure."
            error = {"code": "PAINTER_REFUSED", "message": message}
            nothing = {"imageUrl": None, "imageHeight": None, "imageWidth": None}
            return {**result, **nothing, "status": "ERROR", "error": error}
        path = self._settings.images / f"{generation_id}.png"
        async with self._painters:
            await asyncio.to_thread(_paint, f"{prompt}/{generation_id}", path)
        return result

    async def report(self, result: dict[str, Any]) -> bool:
        """Call the webhook until it is accepted or rejected.

        Returns True if it is accepted within ten calls.
        """
        body = json.dumps(result, separators=(",", ":"))
        message_id = f"msg_{uuid4().hex}"
        delay = _FIRST_DELAY
        for attempt in range(1, _ATTEMPTS + 1):
            status, retry_after = await self._call(message_id, body)
            if 200 <= status < 300:
                return True
            if 400 <= status < 500 and status not in (408, 425, 429):
                logger.error("webhook %s was rejected with %d", message_id, status)
                return False
            logger.warning("webhook %s: answer %d to attempt %d", message_id, status, attempt)
            if attempt < _ATTEMPTS:
                await self._pause(max(retry_after, random.uniform(delay / 2, delay)))
            delay = min(delay * 2, _LONGEST_DELAY)
        logger.error("webhook %s failed after %d attempts", message_id, _ATTEMPTS)
        return False

    async def _call(self, message_id: str, body: str) -> tuple[int, float]:
        """Call the webhook once; return the status (0 without a response) and Retry-After in
        seconds.
        """
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message_id, now, body),
        }
        try:
            answer = await self._client.post(
                self._settings.callback_url, content=body, headers=headers
            )
        except httpx.TransportError as exc:
            logger.warning("webhook %s: %s", message_id, exc or type(exc).__name__)
            return 0, 0.0
        seconds = answer.headers.get("retry-after", "")
        return answer.status_code, float(seconds) if seconds.isdecimal() else 0.0


def _paint(seed: str, path: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    artwork.save(artwork.paint(seed), path)

"""Calls the generation provider."""

import httpx

import stand_in
from settings import settings

MODEL = "https://api.replicate.com/v1/models/black-forest-labs/flux-schnell/predictions"


def start(prompt: str, webhook: str) -> str:
    """Start a prediction whose webhooks go to Herald; return Replicate's id of it."""
    if not settings.replicate_api_token:
        return stand_in.start(prompt, webhook)
    answer = httpx.post(
        MODEL,
        headers={"Authorization": f"Bearer {settings.replicate_api_token}"},
        json={
            "input": {"prompt": prompt},
            "webhook": webhook,
            "webhook_events_filter": ["start", "output", "logs", "completed"],
        },
        timeout=20,
    )
    return str(answer.raise_for_status().json()["id"])

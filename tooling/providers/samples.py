"""Sample payloads in the shape of each provider, for `./herald simulate`, the studio and tests.

The shapes are those of the fixtures in tests/unit/providers/fixtures/, which name their sources.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = dict[str, object]

State = Literal["running", "succeeded", "failed", "moderated", "canceled"]
STATES: tuple[State, ...] = get_args(State)

_REFUSED = "The prompt is not allowed."
_BROKEN = "The GPU is out of memory."


class Job(NamedTuple):
    """A generation as its provider knows it.

    `progress` is a fraction from 0 to 1. `at` is the time at which it ended: links of providers
    expire some time after it.
    """

    generation_id: str
    provider_id: str
    urls: tuple[str, ...] = ("https://images.example.com/1.png",)
    width: int = 1024
    height: int = 1024
    progress: float = 0.5
    step: str = "step 14/28"
    at: str = "2026-11-25T09:00:00Z"


def sample(provider: str, state: State, job: Job) -> bytes | None:
    """Return a payload, or None if the provider never reports this state or sends no webhooks."""
    body = _BODIES[provider](state, job) if provider in _BODIES else None
    return None if body is None else json.dumps(body).encode()


def states(provider: str) -> tuple[State, ...]:
    """Return the states that a provider's webhooks report."""
    job = Job("", "")
    return tuple(state for state in STATES if sample(provider, state, job) is not None)


def now() -> str:
    """Return the present time, for a job that ends now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _replicate(state: State, job: Job) -> Body:
    words = {"running": "processing", "moderated": "failed"}
    errors = {"failed": "CUDA out of memory", "moderated": "NSFW content detected."}
    return {
        "id": job.provider_id,
        "model": "black-forest-labs/flux-dev",
        "status": words.get(state, state),
        "output": list(job.urls) if state == "succeeded" else None,
        "error": errors.get(state),
        "logs": f"loading\n{job.step}\n",
        "completed_at": None if state == "running" else job.at,
    }


def _fal(state: State, job: Job) -> Body | None:
    found: Body = {"request_id": job.provider_id, "gateway_request_id": job.provider_id}
    if state == "succeeded":
        size = {"width": job.width, "height": job.height, "content_type": "image/png"}
        images = [{"url": url, **size} for url in job.urls]
        return {**found, "status": "OK", "payload": {"images": images, "seed": 42}}
    details = {
        "failed": None,
        "moderated": {"detail": [{"msg": _REFUSED, "type": "content_policy_violation"}]},
    }
    if state not in details:
        return None
    return {**found, "status": "ERROR", "error": _BROKEN, "payload": details[state]}


def _runpod(state: State, job: Job) -> Body | None:
    words = {"succeeded": "COMPLETED", "failed": "FAILED", "canceled": "CANCELLED"}
    if state not in words:
        return None
    found: Body = {"id": job.provider_id, "status": words[state], "executionTime": 3120}
    if state == "succeeded":
        return {**found, "output": {"images": list(job.urls)}}
    return {**found, "error": _BROKEN} if state == "failed" else found


def _bfl(state: State, job: Job) -> Body | None:
    found: Body = {"id": job.provider_id, "timestamp": job.at}
    if state == "succeeded":
        return {**found, "status": "Ready", "result": {"sample": job.urls[0], "seed": 42}}
    if state == "failed":
        return {**found, "status": "Error", "error": "internal_error", "message": _BROKEN}
    return {**found, "status": "Request Moderated"} if state == "moderated" else None


def _kling(state: State, job: Job) -> Body | None:
    words = {"running": "processing", "succeeded": "succeeded"}
    messages = {"failed": _BROKEN, "moderated": "Failure to pass the risk control system"}
    if state == "canceled":
        return None
    listed = [{"type": "image", "id": "v1", "url": url} for url in job.urls]
    return {
        "id": job.provider_id,
        "status": words.get(state, "failed"),
        "message": messages.get(state, ""),
        "external_id": job.generation_id,
        "outputs": listed if state == "succeeded" else [],
    }


def _ideogram(state: State, job: Job) -> Body | None:
    size = f"{job.width}x{job.height}"
    safe = [{"url": url, "resolution": size, "is_image_safe": True} for url in job.urls]
    blocked = [{"url": "", "resolution": size, "is_image_safe": False}]
    found: Body = {"generation_id": job.provider_id, "created": job.at}
    if state == "succeeded":
        return {**found, "data": safe}
    return {**found, "data": blocked} if state == "moderated" else None


def _luma(state: State, job: Job) -> Body | None:
    words = {"running": "dreaming", "succeeded": "completed"}
    reasons = {
        "failed": "internal error",
        "moderated": "400: prompt not allowed because advanced moderation failed",
    }
    if state == "canceled":
        return None
    done = state == "succeeded"
    return {
        "id": job.provider_id,
        "state": words.get(state, "failed"),
        "failure_reason": reasons.get(state),
        "model": "photon-1",
        "assets": {"image": job.urls[0], "video": None} if done else None,
    }


def _comfydeploy(state: State, job: Job) -> Body | None:
    words = {"succeeded": "success", "canceled": "cancelled"}
    if state == "moderated":
        return None
    images = [{"url": url, "type": "output", "filename": "1.png"} for url in job.urls]
    return {
        "run_id": job.provider_id,
        "status": words.get(state, state),
        "live_status": job.step if state == "running" else None,
        "progress": job.progress if state == "running" else 1,
        "outputs": [{"data": {"images": images}}] if state == "succeeded" else [],
    }


def _leonardo(state: State, job: Job) -> Body | None:
    words = {"succeeded": "COMPLETE", "failed": "FAILED"}
    if state not in words:
        return None
    images = [{"id": "i1", "url": url, "nsfw": False} for url in job.urls]
    found = {
        "id": job.provider_id,
        "status": words[state],
        "imageWidth": job.width,
        "imageHeight": job.height,
        "images": images if state == "succeeded" else [],
    }
    return {"type": "image_generation.complete", "data": {"object": found}}


def _wavespeed(state: State, job: Job) -> Body | None:
    words = {"running": "processing", "succeeded": "completed"}
    errors = {"failed": _BROKEN, "moderated": "Content flagged as potentially sensitive."}
    if state == "canceled":
        return None
    return {
        "id": job.provider_id,
        "model": "wavespeed-ai/flux-dev",
        "status": words.get(state, "failed"),
        "outputs": list(job.urls) if state == "succeeded" else [],
        "error": errors.get(state, ""),
    }


def _hmac(state: State, job: Job) -> Body:
    return {
        "id": job.provider_id,
        "status": state,
        "progress": job.progress if state == "running" else None,
        "outputs": list(job.urls) if state == "succeeded" else [],
        "error": {"failed": _BROKEN, "moderated": _REFUSED}.get(state),
    }


def _generations(state: State, job: Job) -> Body:
    found: Body = {"generationId": job.generation_id}
    if state == "running":
        return {**found, "status": "PENDING", "progress": job.progress, "step": job.step}
    if state == "succeeded":
        size = {"imageWidth": job.width, "imageHeight": job.height}
        outputs = [{"kind": "image", "url": url} for url in job.urls]
        return {**found, **size, "status": "COMPLETE", "imageUrl": job.urls[0], "outputs": outputs}
    codes = {"failed": "generation_failed", "moderated": "moderated", "canceled": "canceled"}
    messages = {"moderated": _REFUSED, "canceled": "Canceled."}
    error = {"code": codes[state], "message": messages.get(state, _BROKEN)}
    return {**found, "status": "ERROR", "error": error}


def _openai(state: State, job: Job) -> Body | None:
    """A thin event: its API says what the result is."""
    words = {"succeeded": "completed", "failed": "failed", "canceled": "cancelled"}
    if state not in words:
        return None
    event = {"id": "evt_1", "object": "event", "created_at": 1795600000}
    return {**event, "type": f"response.{words[state]}", "data": {"id": job.provider_id}}


def _gemini(state: State, job: Job) -> Body | None:
    """A thin event: its API says what the result is."""
    if state != "succeeded":
        return None
    data = {"id": job.provider_id, "file_name": "files/abc"}
    return {"type": "video.generated", "version": "v1", "timestamp": job.at, "data": data}


def _sagemaker(state: State, job: Job) -> Body | None:
    found: Body = {"awsRegion": "eu-central-1", "inferenceId": job.generation_id}
    if state == "succeeded":
        answer = {"contentType": "image/png", "outputLocation": "s3://bucket/1.png"}
        return {**found, "invocationStatus": "Completed", "responseParameters": answer}
    failed = {**found, "invocationStatus": "Failed", "failureReason": _BROKEN}
    return failed if state == "failed" else None


_BODIES: dict[str, Callable[[State, Job], Body | None]] = {
    "bfl": _bfl,
    "comfydeploy": _comfydeploy,
    "fal": _fal,
    "gemini": _gemini,
    "generations": _generations,
    "hmac": _hmac,
    "ideogram": _ideogram,
    "kling": _kling,
    "leonardo": _leonardo,
    "luma": _luma,
    "openai": _openai,
    "replicate": _replicate,
    "runpod": _runpod,
    "sagemaker": _sagemaker,
    "wavespeed": _wavespeed,
}

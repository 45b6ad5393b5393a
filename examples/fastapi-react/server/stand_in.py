"""Plays Replicate: signed webhooks in Replicate's form, and pictures. It is only for development.

A prompt with the word "fail" fails, and one with "nsfw" is refused.
"""

import base64
import colorsys
import hmac
import json
import math
import random
import struct
import threading
import time
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path

import httpx
from fastapi import FastAPI, Response

from settings import settings

STEPS = 28
SECONDS = 0.2  # for each step
FULL = 640  # pixels
app = FastAPI()


def start(prompt: str, webhook: str) -> str:
    """Start a prediction and return its id."""
    prediction = uuid.uuid4().hex
    job = threading.Thread(target=_run, args=(prediction, prompt, webhook), daemon=True)
    job.start()
    return prediction


def _run(prediction: str, prompt: str, webhook: str) -> None:
    body: dict[str, object] = {"id": prediction, "model": "stand-in/hills", "logs": ""}
    body |= {"status": "starting", "output": None, "error": None, "completed_at": None}
    _send(webhook, body)
    address = f"{settings.server_url}/stand-in/pictures/{prediction}.png"
    for step in range(1, STEPS + 1):
        time.sleep(SECONDS)
        if step % 5 == 0:  # a preview has few pixels
            size = 4 + step
            logs = f"{step * 100 // STEPS}%|{'#' * step} | {step}/{STEPS}\n"
            preview = [f"{address}?size={size}"]
            _send(webhook, {**body, "status": "processing", "logs": logs, "output": preview})
    body["completed_at"] = datetime.now(UTC).isoformat()
    if "fail" in prompt.lower():
        _send(webhook, {**body, "status": "failed", "error": "CUDA out of memory"})
    elif "nsfw" in prompt.lower():
        _send(webhook, {**body, "status": "failed", "error": "NSFW content detected."})
    else:
        _send(webhook, {**body, "status": "succeeded", "output": [address]})


def _send(webhook: str, body: dict[str, object]) -> None:
    """Post a webhook, signed according to Standard Webhooks."""
    secret = json.loads(Path(settings.herald_provider_keys).read_text())["replicate"]["secret"]
    content, sent, now = json.dumps(body).encode(), f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{sent}.{now}.".encode() + content, "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": sent,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    httpx.post(webhook, content=content, headers=headers, timeout=30).raise_for_status()


@app.get("/pictures/{name}.png")
def picture(name: str, size: int = FULL) -> Response:
    return Response(paint(name, max(1, min(size, FULL))), media_type="image/png")


def paint(seed: str, size: int) -> bytes:
    """Return a PNG of hills at dusk. The same seed gives the same hills in every size."""
    chance = random.Random(seed)
    hue = chance.uniform(0.5, 1.12)  # from teal to gold
    sky = [_color(hue + 0.14 * y, 0.42, 0.34 + 0.46 * y) for y in _range(size)]
    sun_x, sun_y, sun_size = chance.uniform(0.25, 0.75), chance.uniform(0.25, 0.45), 0.085
    glow = _color(hue + 0.14, 0.85, 0.93)
    hills = []
    for layer in range(1, 6):
        waves = [(chance.uniform(1, 3 + layer), chance.uniform(0, 7), 1 / n) for n in range(1, 5)]
        tops = [0.36 + 0.12 * layer + 0.035 * _height(4 * x, waves) for x in _range(size)]
        hills.append((tops, _color(hue + 0.13 - 0.04 * layer, 0.36, 0.62 - 0.105 * layer)))
    rows = []
    for y, above in zip(_range(size), sky, strict=True):
        pixels = bytearray()
        for column, x in enumerate(_range(size)):
            color = above
            for tops, shade in hills:
                if y > tops[column]:
                    color = shade
            if color is above:
                distance = math.hypot(x - sun_x, y - sun_y) / sun_size
                light = 1.0 if distance < 1 else 0.55 / distance**1.6
                color = tuple(int(a + (b - a) * light) for a, b in zip(above, glow, strict=True))
            pixels += bytes(color)
        rows.append(b"\0" + pixels)
    header = struct.pack(">2I5B", size, size, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _height(x: float, waves: list[tuple[float, float, float]]) -> float:
    return sum(weight * math.sin(frequency * x + phase) for frequency, phase, weight in waves)


def _range(size: int) -> list[float]:
    return [(n + 0.5) / size for n in range(size)]


def _color(hue: float, saturation: float, lightness: float) -> tuple[int, ...]:
    return tuple(int(255 * c) for c in colorsys.hls_to_rgb(hue % 1, lightness, saturation))

"""Events of results, as PostgreSQL writes them."""

import json
from datetime import UTC, datetime

EPOCH = "0197e3f0-6c1e-7d53-8a44-2f0c5c0f7a11"


def result(generation_id: str, user_id: str, *, event_id: str, stage: str, offset: int) -> str:
    """Return the event of a complete generation."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"herald/{stage}",
        "type": "herald.generation.complete",
        "subject": generation_id,
        "time": now,
        "datacontenttype": "application/json",
        "data": {
            "prompt": "a lighthouse on a cliff at dawn, oil on canvas, wide brush strokes",
            "status": "COMPLETE",
            "imageUrl": "https://images.example.com/1.png",
            "imageHeight": 1024,
            "imageWidth": 1024,
            "coreModel": "a-model-v1",
            "createdAt": now,
            "updatedAt": now,
        },
        "userid": user_id,
        "epoch": EPOCH,
        "sequence": str(offset),
    }
    return json.dumps(event, separators=(",", ":"))

"""Lets Terraform create a queue and its dead-letter queue at the same time.

As on AWS, MiniStack refuses a queue whose dead-letter queue does not exist. The local stack creates
both at once (docs/adr/0032), so the request for the first can arrive a moment too early.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ministack.services import sqs

_CREATE = "AmazonSQS.CreateQueue"
_PATIENCE = 2.0  # seconds
_PAUSE = 0.02


async def await_dead_letter_queue(target: str, body: bytes) -> None:
    """Wait up to two seconds for the dead-letter queue of a new queue; then MiniStack decides."""
    if target != _CREATE or not (arn := dead_letter_arn(body)):
        return
    for _ in range(round(_PATIENCE / _PAUSE)):
        if sqs._queue_by_arn(arn) is not None:
            return
        await asyncio.sleep(_PAUSE)


def dead_letter_arn(body: bytes) -> str | None:
    """Return the dead-letter queue in a CreateQueue request, if there is one."""
    try:
        request: dict[str, Any] = json.loads(body)
        policy = json.loads(request.get("Attributes", {}).get("RedrivePolicy") or "{}")
        return str(policy["deadLetterTargetArn"])
    except (ValueError, TypeError, AttributeError, KeyError):
        return None

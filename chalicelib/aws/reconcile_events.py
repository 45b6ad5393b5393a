"""The events with which other functions invoke `reconcile`, in the form of EventBridge.

Chalice reads every event of a scheduled function in this form:
https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOLVE = "herald.resolve"
CANCEL = "herald.cancel"


def resolve(provider: str, provider_id: str) -> bytes:
    """Return the event that asks to look up what a thin event of a provider is about."""
    return _event(RESOLVE, {"provider": provider, "provider_id": provider_id})


def cancel(generation_id: str, user_id: str | None) -> bytes:
    """Return the event that asks to cancel a generation; only an operator gives no user."""
    return _event(CANCEL, {"generation": generation_id, "user": user_id})


def _event(kind: str, detail: Mapping[str, str | None]) -> bytes:
    envelope = {"version": "0", "id": "", "account": "", "time": "", "region": "", "resources": []}
    return json.dumps(
        {**envelope, "source": "herald", "detail-type": kind, "detail": detail}
    ).encode()

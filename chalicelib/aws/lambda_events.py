"""The headers of API Gateway's events, whose names come as the client wrote them."""

from collections.abc import Mapping
from typing import Any


def lower_headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return an event's headers, names in lower case."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}

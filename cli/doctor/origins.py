"""Checks the origin of an application's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.sessions.credentials import normal_origin
from cli.doctor.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection

_FORM = "Write the scheme, the host and the port, without a path: http://localhost:5173"


def check(origin: str, allowed: Collection[str], *, local: bool) -> Finding:
    """Check whether pages of an origin may connect; `allowed` are normalized origins."""
    found = normal_origin(origin)
    if found is None:
        return Finding("origin", f"{origin!r} is not an origin.", _FORM)
    if found in allowed:
        return Finding("origin", f"Pages of {found} may connect.")
    known = ", ".join(sorted(allowed)) or "none"
    fix = (
        f"Run `make up ORIGINS={found}`."
        if local
        else f"Add {found} to allowed_origins in the stage's tfvars, and deploy."
    )
    return Finding("origin", f"{found} is not among the allowed origins: {known}.", fix)

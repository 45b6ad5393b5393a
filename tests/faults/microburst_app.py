"""microburst with one change: it keeps the Host header, which request signatures cover."""

from __future__ import annotations

import sys
from typing import Any

from microburst import cli, forward  # type: ignore[import-untyped]


def keep_host() -> None:
    """Forward the client's own Host header instead of the upstream's address."""
    forwarder = forward.Upstream
    outbound = forwarder._outbound_headers

    def with_host(self: Any, request: Any) -> dict[str, str]:
        return {**outbound(self, request), "host": request.headers["Host"]}

    forwarder._outbound_headers = with_host


if __name__ == "__main__":
    keep_host()
    sys.exit(cli.main())

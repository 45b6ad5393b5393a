"""Settings for a studio without a stack."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from local.studio.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def studio_settings(images: Path) -> Settings:
    """Return valid settings with addresses at which nothing listens."""
    return Settings(
        database_url="postgresql://127.0.0.1:1/none",
        callback_url="http://herald.test/callbacks/generations",
        webhook_secret="whsec_" + base64.b64encode(b"a webhook secret of the tests").decode(),
        websocket_url="ws://herald.test:8080/local?a=1&b=2",
        jwt_secret="a secret of the tests, 32 bytes long",
        jwt_issuer="studio",
        jwt_audience="herald",
        studio_url="http://studio.test",
        images=images,
    )

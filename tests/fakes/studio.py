"""Settings for a studio without a stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.studio.settings import Settings
from tooling.providers import keys

if TYPE_CHECKING:
    from pathlib import Path


def studio_settings(images: Path) -> Settings:
    """Return valid settings with addresses at which nothing listens."""
    keys_file = images.parent / "provider-keys.json"
    keys_file.write_text(json.dumps(keys.draw()))
    return Settings(
        database_url="postgresql://127.0.0.1:1/none",
        callbacks_url="http://herald.test/callbacks",
        provider_keys=str(keys_file),
        websocket_url="ws://herald.test:8080/local?a=1&b=2",
        jwt_secret="a secret of the tests, 32 bytes long",
        jwt_issuer="studio",
        jwt_audience="herald",
        studio_url="http://studio.test",
        images=images,
    )

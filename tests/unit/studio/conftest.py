"""The studio on its own: settings of a stack that does not exist, and a store in memory."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from local.studio.settings import Settings
from tests.unit.studio.fake_herald import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url="postgresql://127.0.0.1:1/none",
        callback_url="http://herald.test/callbacks/generations",
        webhook_secret="whsec_" + base64.b64encode(b"a webhook secret of the tests").decode(),
        websocket_url="ws://herald.test:8080/local?a=1&b=2",
        jwt_secret="a secret of the tests, 32 bytes long",
        jwt_issuer="studio",
        jwt_audience="herald",
        studio_url="http://studio.test",
        images=tmp_path,
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()

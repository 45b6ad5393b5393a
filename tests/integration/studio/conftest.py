"""Fixtures for the studio without a stack, with its table in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.herald import MemoryStore
from tests.fakes.studio import studio_settings

if TYPE_CHECKING:
    from pathlib import Path

    from local.studio.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return studio_settings(tmp_path)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()

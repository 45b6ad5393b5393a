"""The studio's settings, read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGES = Path(__file__).parents[2] / "build" / "local" / "images"


class SettingsError(Exception):
    """A required environment variable is not set."""


@dataclass(frozen=True)
class Settings:
    """Addresses and secrets of the stack. Each field is read from the variable HERALD_<FIELD>."""

    database_url: str
    callbacks_url: str
    provider_keys: str  # path of the file with the keys that the imitated providers sign with
    websocket_url: str
    jwt_secret: str
    jwt_issuer: str
    jwt_audience: str
    studio_url: str
    images: Path = _IMAGES

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings; raises SettingsError, which names all missing variables."""
        required = [field.name for field in fields(cls) if field.name != "images"]
        values = {name: environment.get(f"HERALD_{name.upper()}", "") for name in required}
        missing = [f"HERALD_{name.upper()}" for name, value in values.items() if not value]
        if missing:
            raise SettingsError(f"the studio needs {', '.join(missing)}; `make up` sets them")
        return cls(**values, images=Path(environment.get("HERALD_STUDIO_IMAGES", _IMAGES)))

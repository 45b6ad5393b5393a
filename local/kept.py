"""What stays the same from one start of a stack to the next: the values that an application's
settings contain.

They are the ports, the secrets, and the ids of the APIs, which are part of their addresses. They
are drawn once and kept in a file that only we can read. The emulator's AWS keys are not among them:
no application needs them, and every start draws them anew.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from local.ports import Ports
from local.state import write_private
from tooling import SetupError
from tooling.providers import keys

if TYPE_CHECKING:
    from pathlib import Path


ProviderKeys = dict[str, dict[str, str]]


def _secret() -> str:
    return secrets.token_urlsafe(36)


def _api_ids() -> dict[str, str]:
    return {name: secrets.token_hex(5) for name in ("callback", "websocket")}


@dataclass
class Kept:
    """The kept values; a new one has newly drawn secrets."""

    ports: Ports | None = None
    api_ids: dict[str, str] = field(default_factory=_api_ids)
    provider_keys: ProviderKeys = field(default_factory=keys.draw)
    jwt_secret: str = field(default_factory=_secret)
    outputs_key: str = field(default_factory=_secret)
    database_password: str = field(default_factory=_secret)

    @property
    def webhook_secret(self) -> str:
        """Return the secret of Herald's own payload, the provider `generations`."""
        return self.provider_keys["generations"]["secret"]

    @classmethod
    def load(cls, path: Path) -> Kept:
        """Read the file, or draw new values if there is none.

        Raises
        ------
        SetupError
            The file is damaged.
        """
        kept = cls()
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            ports = found["ports"]
            kept.ports = Ports(*ports) if ports else None
            for name in ("jwt_secret", "outputs_key", "database_password"):
                setattr(kept, name, str(found[name]))
            kept.api_ids |= found["api_ids"]
            # A later version may know more providers, which get new keys.
            kept.provider_keys |= found["provider_keys"]
        except FileNotFoundError:
            return kept
        except (ValueError, TypeError, KeyError) as exc:
            raise SetupError(
                f"{path} is damaged. Delete it: `make up` then chooses new ports and secrets,"
                " which you must configure in your application."
            ) from exc
        return kept

    def save(self, path: Path) -> None:
        """Write the file."""
        write_private(path, json.dumps(asdict(self), indent=2))

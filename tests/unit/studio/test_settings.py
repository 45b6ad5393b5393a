"""The studio's settings."""

import pytest

from local.studio.settings import Settings, SettingsError


def test_all_missing_settings_are_named() -> None:
    with pytest.raises(SettingsError, match=r"HERALD_CALLBACKS_URL, .*HERALD_STUDIO_URL"):
        Settings.from_environment({"HERALD_DATABASE_URL": "postgresql://x"})

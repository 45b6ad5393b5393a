"""Settings are read from the environment, but not at import time, and errors name the variable."""

import pytest

from chalicelib import settings
from chalicelib.errors import SettingError


def test_a_setting_is_read_from_the_variable_of_its_name() -> None:
    environ = {"HERALD_STAGE": "test", "HERALD_CONNECTIONS_TABLE": "c", "HERALD_LOG_LEVEL": "DEBUG"}
    loaded = settings.load(settings.Disconnect, environ)
    assert vars(loaded) == {
        "stage": "test",
        "log_level": "DEBUG",
        "log_sample_percent": 0,
        "connections_table": "c",
    }


def test_all_missing_and_malformed_settings_are_named_at_once() -> None:
    with pytest.raises(SettingError) as wrong:
        settings.load(settings.Message, {"HERALD_INBOX_RETENTION_DAYS": "seven"})
    for name in ("HERALD_STAGE", "HERALD_INBOX_TABLE", "HERALD_INBOX_RETENTION_DAYS"):
        assert name in str(wrong.value)

"""Settings: read from the environment, refused by name, never at import."""

import pytest

from chalicelib import settings
from chalicelib.errors import SettingError


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    settings._read.cache_clear()
    for name in ("STAGE", "CONNECTIONS_TABLE", "INBOX_TABLE"):
        monkeypatch.delenv(f"HERALD_{name}", raising=False)


def test_a_field_is_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_STAGE", "test")
    monkeypatch.setenv("HERALD_CONNECTIONS_TABLE", "c")
    assert settings.load(settings.Connections) == settings.Connections("test", "c")


def test_everything_missing_or_malformed_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_INBOX_RETENTION_DAYS", "seven")
    with pytest.raises(SettingError) as wrong:
        settings.load(settings.Message)
    for name in ("HERALD_STAGE", "HERALD_INBOX_TABLE", "HERALD_INBOX_RETENTION_DAYS"):
        assert name in str(wrong.value)

"""`make up PROVIDER_APIS=…`: the file, and the keys of the stand-ins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib.providers import registry
from local.choices import read_provider_apis
from tooling import SetupError
from tooling.providers import keys

if TYPE_CHECKING:
    from pathlib import Path

APIS = {"replicate": "http://127.0.0.1:8082"}


def test_the_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "apis.json").write_text(json.dumps(APIS))
    assert read_provider_apis(tmp_path / "apis.json") == APIS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("no json", "JSON object"),
        ('{"acme": "http://127.0.0.1:1"}', "acme"),
        ('{"wavespeed": "http://127.0.0.1:1"}', "wavespeed"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "apis.json").write_text(text)
    with pytest.raises(SetupError, match=f"PROVIDER_APIS: .*{said}"):
        read_provider_apis(tmp_path / "apis.json")


def test_only_stand_ins_get_a_key() -> None:
    drawn = keys.draw()
    found = json.loads(keys.secret(drawn, APIS))
    assert found["replicate"]["api_key"] == drawn["replicate"]["api_key"]
    assert [name for name, entry in found.items() if "api_key" in entry] == ["replicate"]
    assert "runway" not in found, "a provider without webhooks and stand-in is not configured"


def test_every_api_has_a_key_for_its_stand_in() -> None:
    adapters = {name: registry.adapter(name) for name in registry.NAMES}
    assert {name for name, found in adapters.items() if found and found.polling} == set(keys.POLLED)

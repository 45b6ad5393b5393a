"""The addresses of providers' APIs, their keys, and how long they want to be left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.errors import SettingError
from chalicelib.recording.provider_apis import (
    LONGEST_RETRY_AFTER,
    ProviderApis,
    addresses,
    seconds_to_wait,
)

if TYPE_CHECKING:
    from chalicelib.providers.report import Call

NOW = 1_795_600_000.0  # Wed, 25 Nov 2026 09:46:40 GMT


def known(**entries: Any) -> dict[str, Any]:
    found = ProviderApis(cast("Any", None), lambda: json.dumps(entries), {}).known()
    return {name: each.pace for name, each in found.items()}


def url_of(provider: str, given: dict[str, str]) -> str:
    apis = ProviderApis(
        cast("Any", None), lambda: json.dumps({provider: {"api_key": "key"}}), given
    )
    call: Call = apis.api(apis.known()[provider], deadline=0).call("/predictions/1")
    return call.url


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("30", 30),
        ("0", 0),
        ("-5", 0),
        ("1.2", 2),
        ("99999999", LONGEST_RETRY_AFTER),
        ("wed, 25 nov 2026 09:47:40 gmt", 60),  # the engine returns headers in lower case
        ("Wed, 25 Nov 2026 09:40:00 GMT", 0),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(value, NOW) == seconds


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://api.replicate.com/v1/predictions/1"),
        ({"bfl": "http://other"}, "https://api.replicate.com/v1/predictions/1"),
        ({"replicate": "http://127.0.0.1:8082"}, "http://127.0.0.1:8082/v1/predictions/1"),
        ({"replicate": "http://127.0.0.1:8082/"}, "http://127.0.0.1:8082/v1/predictions/1"),
        ({"replicate": "http://127.0.0.1:8082/own"}, "http://127.0.0.1:8082/own/predictions/1"),
    ],
)
def test_another_address_replaces_the_host_or_everything(given: dict[str, str], url: str) -> None:
    assert url_of("replicate", given) == url


def test_only_providers_with_a_key_and_an_api_are_asked() -> None:
    entries = {
        "replicate": {"secrets": ["whsec_x"]},
        "luma": {"api_key": "key"},
        "wavespeed": {"api_key": "key"},
        "second-luma": {"adapter": "luma", "api_key": "key", "options": {"polls_per_minute": 7}},
        "bfl": {"api_key": "two words"},
        "fal": {"api_key": 7},
    }
    found = known(**entries)
    assert set(found) == {"luma", "second-luma"}
    assert (found["luma"].permits, found["second-luma"].permits) == (60, 7)


@pytest.mark.parametrize("text", ["", "{}"])
def test_no_other_addresses(text: str) -> None:
    assert addresses(text) == {}


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"bfl": 7}', '{"bfl": "ftp://x"}', '{"bfl": ""}']
)
def test_malformed_addresses_are_refused_by_the_name_of_the_setting(text: str) -> None:
    with pytest.raises(SettingError, match="HERALD_PROVIDER_APIS"):
        addresses(text)

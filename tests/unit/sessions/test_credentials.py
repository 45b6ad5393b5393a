"""Origins are normalized if their meaning is unambiguous."""

import pytest

from chalicelib.errors import SettingError
from chalicelib.sessions.credentials import normal_origin, normal_origins, origin_allowed


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://App.Example.COM", "https://app.example.com"),
        ("HTTPS://app.example.com:443", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://localhost:80", "https://localhost:80"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://my_app.example.com", "https://my_app.example.com"),
    ],
)
def test_an_origin_is_normalized_as_browsers_do(text: str, normal: str) -> None:
    assert normal_origin(text) == normal
    assert normal_origin(normal) == normal
    assert origin_allowed({"origin": normal}, normal_origins(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "app.example.com",
        "ftp://app.example.com",
        "https://",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?x=1",
        "https://app.example.com#x",
        "https://user@app.example.com",
        "https://user:password@app.example.com",
        "https://bücher.example",
        "https://ﬁ.example",
        "https://app.example.com:",
        "https://app.example.com:0443",
        "https://app.example.com:123456",
        "https://app.example.com:port",
        "https://app.example.com https://beta.example.com",
        "https://app.example.com\n",
        "https://.example.com",
        "https://app.example.com.",
        "https://\u212a.example",  # the Kelvin sign; lower() turns it into a k
        " https://app.example.com",
    ],
)
def test_any_other_text_is_not_an_origin(text: str) -> None:
    assert normal_origin(text) is None
    assert not origin_allowed({"origin": text}, normal_origins("https://app.example.com"))


def test_a_client_without_an_origin_is_allowed() -> None:
    assert origin_allowed({}, frozenset())


def test_a_setting_without_origins_allows_none() -> None:
    assert normal_origins("") == normal_origins(" , ") == frozenset()


def test_a_malformed_origin_in_the_setting_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match="bücher"):
        normal_origins("https://app.example.com,https://bücher.example")

"""The secret with the keys of all providers."""

import pytest

from chalicelib.errors import SettingError
from chalicelib.providers import configuration
from chalicelib.providers.configuration import Configured
from chalicelib.providers.delivery import Keys


def test_the_secret_is_read() -> None:
    text = """{"replicate": {"secrets": ["whsec_a", "whsec_b"]},
        "fal": {"account": "u", "jwks": {"keys": []}, "later": 1},
        "acme": {"adapter": "hmac", "token_keys": ["k"], "options": {"header": "x-acme"}}}"""
    assert configuration.read(text) == {
        "replicate": Configured("replicate", Keys(("whsec_a", "whsec_b")), {}),
        "fal": Configured("fal", Keys(account="u", jwks={"keys": []}), {}),
        "acme": Configured("hmac", Keys(token_keys=("k",)), {"header": "x-acme"}),
    }


def test_a_secret_without_a_value_has_no_provider() -> None:
    assert configuration.read("") == configuration.read(" \n") == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"fal": []}', "fal is not"),
        ('{"Fal": {}}', "name"),
        ('{"": {}}', "name"),
        ('{"fal": {"account": 7}}', "fal.account"),
        ('{"fal": {"secrets": "s"}}', "fal.secrets"),
        ('{"fal": {"secrets": [7]}}', "fal.secrets"),
        ('{"fal": {"secrets": [""]}}', "fal.secrets"),
        ('{"fal": {"token_keys": {}}}', "fal.token_keys"),
        ('{"fal": {"options": []}}', "fal.options"),
        ('{"fal": {"jwks": "s"}}', "fal.jwks"),
        ('{"fal": {"adapter": 7}}', "fal.adapter"),
    ],
)
def test_a_malformed_secret_is_refused_and_the_field_named(text: str, named: str) -> None:
    with pytest.raises(SettingError, match=named.replace(".", r"\.")) as refused:
        configuration.read(text)
    assert "7" not in str(refused.value)

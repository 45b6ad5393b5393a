"""Links can be made only with the key, and keys can be rotated."""

from __future__ import annotations

import json

import pytest

from chalicelib.errors import SettingError
from chalicelib.store.links import Links, read, sign

GENERATION = "8c2f6d1e-3b7a-4f09-9d54-6a1e0b7c2f38"
OLD, NEW = "o" * 32, "n" * 32


def links(*keys: str) -> Links:
    return Links("https://api.example/outputs", lambda: json.dumps({"keys": keys}))


def test_a_link_names_its_output_and_is_valid() -> None:
    base, generation, index, signature = links(NEW).url(GENERATION, 3).rsplit("/", 3)
    assert (base, generation, index) == ("https://api.example/outputs", GENERATION, "3")
    assert len(signature) == 22
    assert links(NEW).is_valid(GENERATION, 3, signature)


@pytest.mark.parametrize(
    ("generation", "index", "change"),
    [
        (GENERATION, 4, ""),
        (GENERATION.replace("8", "9"), 3, ""),
        (GENERATION, 3, "x"),
        (GENERATION, 3, "é"),
    ],
)
def test_another_output_needs_another_signature(generation: str, index: int, change: str) -> None:
    signature = sign(NEW, GENERATION, 3) + change
    assert not links(NEW).is_valid(generation, index, signature)
    assert not links(OLD).is_valid(GENERATION, 3, signature)


def test_links_made_with_the_old_key_stay_valid_while_it_is_rotated() -> None:
    signature = sign(OLD, GENERATION, 0)
    assert links(NEW, OLD).is_valid(GENERATION, 0, signature)
    assert not links(NEW, OLD).url(GENERATION, 0).endswith(signature)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"keys": []}', '{"keys": ["short"]}', '{"keys": 1}', "no JSON",
     '{"keys": ["' + "k" * 32 + '"], "hosts": []}'],
)  # fmt: skip
def test_a_malformed_secret_is_an_error_that_does_not_quote_it(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        read(text)
    assert "kkkk" not in str(caught.value)


def test_the_secret_has_the_hosts_of_the_operator() -> None:
    text = json.dumps({"keys": [NEW], "hosts": {"acme": ["cdn.acme.example"]}})
    assert read(text).hosts == {"acme": ("cdn.acme.example",)}

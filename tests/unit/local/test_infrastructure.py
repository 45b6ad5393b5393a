"""The override files of the local stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import hcl2
import pytest

from local import infrastructure

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "http://127.0.0.1:4566"
APIS = {"replicate": 'http://127.0.0.1:8082/${a}"b'}


@pytest.mark.parametrize("apis", [{}, APIS], ids=["no-stand-ins", "stand-ins"])
def test_every_override_file_is_hcl_with_all_its_values(apis: Mapping[str, str]) -> None:
    for name, text in infrastructure.overrides(URL, apis).items():
        assert hcl2.loads(text), name
        for placeholder in ("{url}", "{provider_apis}"):
            assert placeholder not in text, name


def test_the_addresses_are_those_of_the_emulator_and_of_the_stand_ins() -> None:
    endpoints = infrastructure.overrides(URL, APIS)["endpoints_override.tf"]

    assert f'"{URL}/_aws/execute-api/' in endpoints
    _, _, rest = endpoints.partition("jsondecode(")
    literal, _, _ = rest.partition(")\n")
    assert json.loads(json.loads(literal.replace("$${", "${"))) == APIS

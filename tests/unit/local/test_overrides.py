"""The override files of the local stack."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import hcl2
import pytest

from local import overrides

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "http://127.0.0.1:4566"
API_IDS = {"websocket": "a1", "callback": "b2"}
APIS = {"replicate": 'http://127.0.0.1:8082/${a}"b'}


def files(apis: Mapping[str, str]) -> dict[str, str]:
    return overrides.of_stack(URL, apis, API_IDS, "local", package_bucket="packages")


@pytest.mark.parametrize("apis", [{}, APIS], ids=["no-stand-ins", "stand-ins"])
def test_every_override_file_is_hcl_with_all_its_values(apis: Mapping[str, str]) -> None:
    for name, text in files(apis).items():
        assert hcl2.loads(text), name
        # `${…}` is Terraform's own.
        assert not re.search(r"(?<!\$)\{[a-z_]+\}", text), name


def test_the_addresses_are_those_of_the_emulator_and_of_the_stand_ins() -> None:
    endpoints = files(APIS)["endpoints_override.tf"]
    stand_ins = files(APIS)["provider_apis_override.tf"]

    assert f'"{URL}/_aws/execute-api/' in endpoints
    _, _, rest = stand_ins.partition("jsondecode(")
    literal, _, _ = rest.partition(")\n")
    assert json.loads(json.loads(literal.replace("$${", "${"))) == APIS

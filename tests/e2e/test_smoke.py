"""`./herald smoke` on the applied stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import run

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.e2e.conftest import Herald

pytestmark = pytest.mark.e2e


def test_the_smoke_test_passes_and_leaves_nothing_behind(stack: Stack, herald: Herald) -> None:
    code, output, errors = run("smoke", "--stack-env", str(stack.env_file), "--json")

    assert code == 0, errors
    result = json.loads(output)
    assert (result["passed"], result["left"]) == (True, [])
    assert list(result["steps"]) == ["row", "key", "connect", "webhook", "event"]
    for table in ("generations", "streams"):
        assert not herald.query(
            f"SELECT 1 FROM herald.{table} WHERE user_id LIKE 'herald-smoke-%%'"
        )

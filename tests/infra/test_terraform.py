"""Terraform's own checks and tests, and proof that those tests detect defects."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.infra.conftest import Terraform, copy_of_infra
from tooling import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.infra

MODULES = sorted(f"modules/{path.name}" for path in (ROOT / "infra" / "modules").iterdir())
ROOTS = ["account"]  # besides a stage


def test_format(root: Terraform) -> None:
    root.output("fmt", "-check", "-recursive", "-diff")


def test_root_is_valid(root: Terraform) -> None:
    assert json.loads(root.output("validate", "-json"))["diagnostics"] == []


def test_the_account_has_the_same_provider_as_a_stage(root: Terraform) -> None:
    account = ROOT / "infra" / "account"
    for name in ("terraform.tf", ".terraform.lock.hcl"):
        assert (account / name).read_text() == (ROOT / "infra" / name).read_text()


def test_the_lock_file_covers_every_platform(root: Terraform) -> None:
    lock = (root.directory / ".terraform.lock.hcl").read_text()
    assert lock == (ROOT / "infra" / ".terraform.lock.hcl").read_text(), "init had to add to it"
    hashes = re.findall(r'"(h1|zh):[^"]+"', lock)
    # The package of each of the 14 platforms has one checksum of each kind. The provider's manifest
    # has one more zh checksum.
    assert (hashes.count("h1"), hashes.count("zh")) == (14, 15)


def test_root(root: Terraform) -> None:
    root.output("test", "-no-color")


@pytest.mark.parametrize("module", [*ROOTS, *MODULES])
def test_module(root: Terraform, module: str) -> None:
    own = root.at(module).init()
    assert "Success! 0 passed" not in own.output("test", "-no-color")


class Defect(NamedTuple):
    module: str
    file: str
    right: str
    wrong: str


# Each of these defects causes an outage or a security problem, and no other test would detect it.
DEFECTS = {
    "misspelt dimension": Defect("alarms", "main.tf", "QueueName = row.", "QueuName = row."),
    "misspelt metric": Defect("alarms", "alarms.tf", "OfOldestMessage", "OfOldestMessages"),
    "whole batch fails": Defect("function", "main.tf", '["ReportBatchItemFailures"]', "null"),
    "key for any service": Defect("function", "policies.tf", "kms:ViaService", "kms:KeyOrigin"),
    "override loses": Defect(
        "function",
        "main.tf",
        "var.environment, var.shared.environment_overrides",
        "var.environment",
    ),
    "seen twice": Defect("messaging", "main.tf", "6 * var.consumer", "5 * var.consumer"),
    "any topic sends": Defect("messaging", "policies.tf", "[local.arns.topic]", '["*"]'),
    "key never rotates": Defect("keys", "main.tf", "rotation     = true", "rotation     = false"),
    "not redeployed": Defect("websocket", "main.tf", "n.integration_uri,", "n.integration_type,"),
    "keepalive fails": Defect("websocket", "main.tf", "{ statusCode = 200 }", "{ status = 200 }"),
    "relay runs again": Defect("schedule", "main.tf", "attempts       = 0", "attempts       = 2"),
    "anybody sends": Defect("messaging", "policies.tf", "[local.arns[each.key]]", '["x"]'),
    "role without limit": Defect(
        "function", "main.tf", "var.shared.role.permissions_boundary_arn", "null"
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_detected(tmp_path: Path, defect: str) -> None:
    module, file, right, wrong = DEFECTS[defect]
    directory = copy_of_infra(tmp_path / "infra") / "modules" / module
    source = (directory / file).read_text()
    assert source.count(right) >= 1, f"{file} no longer has {right!r}: plant the defect elsewhere"
    (directory / file).write_text(source.replace(right, wrong))

    result = Terraform(directory).init().run("test", "-no-color")

    assert result.returncode != 0, result.stdout
    assert "Test assertion failed" in result.stdout + result.stderr


def test_too_many_rights_are_noticed(tmp_path: Path) -> None:
    directory = copy_of_infra(tmp_path / "infra")
    source = (directory / "connect.tf").read_text()
    assert '"dynamodb:UpdateItem"' in source
    (directory / "connect.tf").write_text(source.replace('"dynamodb:UpdateItem"', '"dynamodb:*"'))

    result = Terraform(directory).init().run("test", "-no-color", "-filter=tests/root.tftest.hcl")

    assert "A function's permissions have changed" in result.stdout + result.stderr

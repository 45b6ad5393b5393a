"""Terraform's own checks and tests, and proof that those tests detect defects."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from tests.infra.background import Change, Run
from tooling import ROOT

if TYPE_CHECKING:
    import subprocess

    from tests.infra.running import Terraform

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


@pytest.mark.parametrize(
    "tested",
    [Run(name) for name in (".", *ROOTS, *MODULES)],
    indirect=True,
    ids=attrgetter("directory"),
)
def test_directory(tested: subprocess.CompletedProcess[str]) -> None:
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "Success! 0 passed" not in tested.stdout


def _defect(module: str, file: str, right: str, wrong: str) -> Run:
    return Run(f"modules/{module}", Change(f"modules/{module}/{file}", right, wrong))


# Each of these defects causes an outage or a security problem, and no other test would detect it.
DEFECTS = {
    "misspelt dimension": _defect("alarms", "main.tf", "QueueName = row.", "QueuName = row."),
    "misspelt metric": _defect("alarms", "alarms.tf", "OfOldestMessage", "OfOldestMessages"),
    "whole batch fails": _defect("function", "main.tf", '["ReportBatchItemFailures"]', "null"),
    "key for any service": _defect("function", "policies.tf", "kms:ViaService", "kms:KeyOrigin"),
    "override loses": _defect(
        "function",
        "main.tf",
        "var.environment, var.shared.environment_overrides",
        "var.environment",
    ),
    "seen twice": _defect("messaging", "main.tf", "6 * var.consumer", "5 * var.consumer"),
    "any topic sends": _defect("messaging", "policies.tf", "[local.arns.topic]", '["*"]'),
    "key never rotates": _defect("keys", "main.tf", "rotation     = true", "rotation     = false"),
    "not redeployed": _defect("websocket", "main.tf", "n.integration_uri,", "n.integration_type,"),
    "keepalive fails": _defect("websocket", "main.tf", "{ statusCode = 200 }", "{ status = 200 }"),
    "relay runs again": _defect("schedule", "main.tf", "attempts       = 0", "attempts       = 2"),
    "anybody sends": _defect("messaging", "policies.tf", "[local.arns[each.key]]", '["x"]'),
    "role without limit": _defect(
        "function", "main.tf", "var.shared.role.permissions_boundary_arn", "null"
    ),
}


TOO_MANY = Run(
    ".",
    Change("connect.tf", '"dynamodb:UpdateItem"', '"dynamodb:*"'),
    ("-filter=tests/root.tftest.hcl",),
)


@pytest.mark.parametrize("tested", DEFECTS.values(), indirect=True, ids=DEFECTS)
def test_a_defect_is_detected(tested: subprocess.CompletedProcess[str]) -> None:
    assert tested.returncode != 0, tested.stdout
    assert "Test assertion failed" in tested.stdout + tested.stderr


@pytest.mark.parametrize("change", [*(one.change for one in DEFECTS.values()), TOO_MANY.change])
def test_a_defect_can_be_planted(change: Change) -> None:
    found = (ROOT / "infra" / change.file).read_text().count(change.old)
    assert found, f"{change.file} no longer has {change.old!r}: plant the defect elsewhere"


@pytest.mark.parametrize("tested", [TOO_MANY], indirect=True, ids=["connect"])
def test_too_many_rights_are_noticed(tested: subprocess.CompletedProcess[str]) -> None:
    assert "A function's permissions have changed" in tested.stdout + tested.stderr

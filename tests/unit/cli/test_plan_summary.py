"""The summary of a plan that an operator reads before confirming."""

from __future__ import annotations

from typing import Any

import pytest

from cli import plan_summary
from cli.plan_summary import Action


def planned(
    address: str,
    *actions: str,
    module: str = "",
    because: tuple[str, ...] = (),
    mode: str = "managed",
) -> dict[str, Any]:
    """Return a resource as in `terraform show -json`."""
    full = f"{module}.{address}" if module else address
    change = {"actions": list(actions), "replace_paths": [[name] for name in because]}
    return {
        "address": full,
        "mode": mode,
        "type": address.split(".", maxsplit=1)[0],
        "change": change,
        **({"module_address": module} if module else {}),
    }


def text(*resources: dict[str, Any], destroy: bool = False) -> list[str]:
    found = plan_summary.changes({"resource_changes": list(resources)})
    return [plan_summary.counts(found), *plan_summary.lines(found, destroy=destroy)]


def test_resources_are_counted_by_module() -> None:
    assert text(
        planned("aws_iam_role.this", "create", module="module.callback"),
        planned("aws_lambda_function.this", "update", module="module.callback"),
        planned("aws_sns_topic.this", "create", module="module.messaging"),
    ) == [
        "2 to create, 1 to change",
        "  callback   1 to create, 1 to change",
        "  messaging  1 to create",
    ]


@pytest.mark.parametrize("order", [("delete", "create"), ("create", "delete")])
def test_what_is_replaced_is_named_with_the_reason(order: tuple[str, str]) -> None:
    role = planned("aws_iam_role.this", *order, module="module.callback", because=("name",))

    assert text(role)[2:] == [
        "To replace:",
        "  module.callback.aws_iam_role.this, because of name",
    ]


@pytest.mark.parametrize("actions", [("delete",), ("delete", "create")])
def test_a_loss_of_data_is_named(actions: tuple[str, ...]) -> None:
    lines = text(planned("aws_dynamodb_table.inbox", *actions))
    assert lines[-1] == "  aws_dynamodb_table.inbox (its data is lost)"


def test_a_changed_table_loses_nothing() -> None:
    assert "lost" not in "".join(text(planned("aws_dynamodb_table.inbox", "update")))


def test_if_a_whole_stage_is_destroyed_only_resources_with_data_are_named() -> None:
    lines = text(
        planned("aws_iam_role.this", "delete"), planned("aws_kms_key.this", "delete"), destroy=True
    )
    assert lines == [
        "2 to destroy",
        "  root  2 to destroy",
        "To destroy:",
        "  aws_kms_key.this (its data is lost)",
    ]


@pytest.mark.parametrize("actions", [("no-op",), ("read",), ("forget",)])
def test_what_does_not_change_is_not_counted(actions: tuple[str, ...]) -> None:
    assert text(planned("aws_iam_role.this", *actions)) == ["no resource changes"]


def test_data_sources_are_not_counted() -> None:
    assert text(planned("aws_region.current", "create", mode="data")) == ["no resource changes"]


def test_every_action_has_its_word() -> None:
    assert [action.value for action in Action] == ["create", "change", "replace", "destroy"]

"""A summary of a plan: counts for each module, and the names of replaced or destroyed resources."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Destroying a resource of these types destroys the data in it.
_HOLD_DATA = frozenset(
    {
        "aws_cloudwatch_log_group",
        "aws_dynamodb_table",
        "aws_kms_key",
        "aws_secretsmanager_secret",
        "aws_sqs_queue",
    }
)


class Action(StrEnum):
    """The change that a plan makes to a resource."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DESTROY = "destroy"


class Change(NamedTuple):
    """A planned change of a resource; `because` names the attributes that force a replacement."""

    action: Action
    module: str
    address: str
    holds_data: bool
    because: tuple[str, ...] = ()

    def __str__(self) -> str:
        because = f", because of {', '.join(self.because)}" if self.because else ""
        return f"{self.address}{because}{' (its data is lost)' if self.holds_data else ''}"


def changes(plan: dict[str, Any]) -> list[Change]:
    """Return the changes in a plan, as `terraform show -json` prints it."""
    return [change for each in plan.get("resource_changes", []) if (change := _change(each))]


def counts(found: list[Change]) -> str:
    """Return one line with the numbers of created, changed, replaced and destroyed resources."""
    by_action = Counter(change.action for change in found)
    parts = [f"{by_action[action]} to {action}" for action in Action if by_action[action]]
    return ", ".join(parts) or "no resource changes"


def lines(found: list[Change], *, destroy: bool = False) -> Iterator[str]:
    """Yield the counts for each module, then the names of replaced and destroyed resources.

    If everything is destroyed, only resources with data are named.
    """
    modules = sorted({change.module for change in found})
    width = max(map(len, modules), default=0)
    for module in modules:
        yield f"  {module:{width}}  {counts([each for each in found if each.module == module])}"
    named = [change for change in found if change.holds_data or not destroy]
    for action in (Action.REPLACE, Action.DESTROY):
        affected = [change for change in named if change.action is action]
        if affected:
            yield f"To {action}:"
            yield from (f"  {change}" for change in affected)


def _change(resource: dict[str, Any]) -> Change | None:
    actions = set(resource["change"]["actions"])
    if resource["mode"] != "managed" or actions <= {"no-op", "read", "forget"}:
        return None
    action = {
        frozenset({"create"}): Action.CREATE,
        frozenset({"update"}): Action.CHANGE,
        frozenset({"delete"}): Action.DESTROY,
    }.get(frozenset(actions), Action.REPLACE)
    paths = resource["change"].get("replace_paths", [])
    return Change(
        action,
        _module(resource.get("module_address", "")),
        resource["address"],
        action in (Action.REPLACE, Action.DESTROY) and resource["type"] in _HOLD_DATA,
        tuple(dict.fromkeys(".".join(map(str, path)) for path in paths)),
    )


def _module(address: str) -> str:
    return address.removeprefix("module.").replace(".module.", ".") or "root"

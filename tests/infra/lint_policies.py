"""Lint IAM policies: reads {name: document} from stdin, and writes {name: [finding, …]} to stdout.

Runs in .venv-policies (requirements/policies.in), whose packages conflict with those of the tests.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import parliament
from policy_sentry.querying.actions import get_action_data

if TYPE_CHECKING:
    from collections.abc import Iterator


def errors(document: dict[str, Any]) -> Iterator[str]:
    """Yield parliament's findings: invalid syntax; unknown actions, keys, operators; mismatches."""
    for finding in parliament.analyze_policy_string(json.dumps(document)).findings:
        yield f"{finding.issue}: {finding.detail or finding.location.get('string', '')}"


def mismatches(document: dict[str, Any]) -> Iterator[str]:
    """Yield unknown actions, and resources that an action does not support."""
    for statement in document["Statement"]:
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                if problem := _mismatch(action, resource):
                    yield f"{problem}: {action} on {resource}"


def _mismatch(action: str, resource: str) -> str | None:
    service, _, name = action.partition(":")
    if "*" in name:
        return None  # parliament expands these
    known = get_action_data(service, name)
    if not known:
        return "unknown action"
    formats = {each["resource_arn_format"] for each in known[service]} - {"*"}
    if not formats:
        return None if resource == "*" else "no resources"
    if resource == "*":
        return "any resource"
    fits = any(parliament.is_arn_match("any", _pattern(each), resource) for each in formats)
    return None if fits else "another type of resource"


def _pattern(arn_format: str) -> str:
    parts = arn_format.split("${")
    return parts[0] + "".join("*" + part.split("}", 1)[1] for part in parts[1:])


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def main() -> None:
    """Lint the policies on stdin."""
    documents = json.load(sys.stdin)
    found = {name: [*errors(each), *mismatches(each)] for name, each in documents.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

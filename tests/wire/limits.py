"""The checks for documented limits. Each check yields the violations in the parameters of a
call.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class State:
    """The effects of earlier requests that rules depend on, and the date of the current request."""

    def __init__(self) -> None:
        self.today = datetime.now(UTC).date()
        self.inline_policies: dict[str, dict[str, int]] = {}


# --- SQS and SNS ---

# All characters except those that AWS documents as valid: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000
# to #xFFFD | #x10000 to #x10FFFF
_REFUSED_BY_SQS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _messages(call: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of an SQS or SNS request, which may be a batch."""
    batch = call.get("Entries", call.get("PublishBatchRequestEntries"))
    return batch if batch is not None else [call]


def _text(message: dict[str, Any]) -> str:
    return str(message.get("MessageBody", message.get("Message", "")))


def _attributes(message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return message.get("MessageAttributes") or {}


def sqs_characters(call: dict[str, Any], _: State) -> Iterator[str]:
    """Check the characters in messages.

    The rule also applies to messages to SNS. A subscribed queue would refuse such a message, and
    the message would be lost.
    """
    for message in _messages(call):
        values = [str(each.get("StringValue", "")) for each in _attributes(message).values()]
        for text in (_text(message), *values):
            if found := _REFUSED_BY_SQS.search(text):
                yield f"it has the character U+{ord(found[0]):04X}"


def attribute_count(call: dict[str, Any], _: State) -> Iterator[str]:
    for message in _messages(call):
        if len(_attributes(message)) > 10:
            yield f"{len(_attributes(message))} message attributes"


def _size(message: dict[str, Any]) -> int:
    size = len(_text(message).encode())
    for name, value in _attributes(message).items():
        size += len(name) + len(str(value.get("DataType", "")))
        size += len(str(value.get("StringValue", value.get("BinaryValue", ""))).encode())
    return size


def sqs_size(call: dict[str, Any], _: State) -> Iterator[str]:
    if (size := sum(map(_size, _messages(call)))) > 1_048_576:
        yield f"{size} bytes"


def sns_size(call: dict[str, Any], _: State) -> Iterator[str]:
    if (size := sum(map(_size, _messages(call)))) > 262_144:
        yield f"{size} bytes"


def sqs_policy(call: dict[str, Any], _: State) -> Iterator[str]:
    policy = (call.get("Attributes") or {}).get("Policy", "")
    if len(policy.encode()) > 8_192:
        yield f"{len(policy.encode())} bytes"
    if len(_statements(policy)) > 20:
        yield f"{len(_statements(policy))} statements"


def sns_policy(call: dict[str, Any], _: State) -> Iterator[str]:
    policies = [(call.get("Attributes") or {}).get("Policy", "")]
    if call.get("AttributeName") == "Policy":
        policies.append(call.get("AttributeValue", ""))
    for policy in policies:
        if len(policy.encode()) > 30_720:
            yield f"{len(policy.encode())} bytes"


def _statements(policy: str) -> list[Any]:
    found = json.loads(policy or "{}").get("Statement", [])
    return found if isinstance(found, list) else [found]


# --- DynamoDB ---


def item_size(item: dict[str, Any]) -> int:
    """Return the size of an item or of a map of attribute values in bytes, as DynamoDB counts
    it.
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind in ("S", "B"):  # bytes are base64-encoded, so four characters are three bytes
        return len(content.encode()) if kind == "S" else len(content) * 3 // 4
    if kind == "N":
        return len(content.strip("-").replace(".", "").strip("0")) // 2 + 1
    if kind == "L":
        return 3 + sum(1 + _value_size(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size(each) for name, each in content.items())
    if kind in ("SS", "NS", "BS"):
        return sum(_value_size({kind[0]: each}) for each in content)
    return 1


def dynamodb_items(call: dict[str, Any], _: State) -> Iterator[str]:
    items = [call.get("Item") or {}, call.get("ExpressionAttributeValues") or {}]
    for writes in (call.get("RequestItems") or {}).values():
        items += [write.get("PutRequest", {}).get("Item", {}) for write in writes]
    for item in items:
        if (size := item_size(item)) > 409_600:
            yield f"an item of {size} bytes"


def dynamodb_keys(call: dict[str, Any], _: State) -> Iterator[str]:
    keys = [call.get("Key") or {}]
    for asked in (call.get("RequestItems") or {}).values():
        keys += asked.get("Keys", []) if isinstance(asked, dict) else []
    for key in keys:
        for name, value in key.items():
            if "S" in value and not 1 <= len(value["S"].encode()) <= 2_048:
                yield f"the key {name} has {len(value['S'].encode())} bytes"


def dynamodb_batch(call: dict[str, Any], _: State) -> Iterator[str]:
    """Check the number of items in a batch.

    The models limit the items of each table, but the service limits those of all tables together.
    """
    asked = call["RequestItems"].values()
    count = sum(len(each["Keys"]) if isinstance(each, dict) else len(each) for each in asked)
    most = 100 if any(isinstance(each, dict) for each in asked) else 25
    if count > most:
        yield f"{count} items, more than {most}"


# --- policies ---


def _without_space(policy: str) -> int:
    return len(re.sub(r"\s", "", policy))


def iam_role_policies(call: dict[str, Any], state: State) -> Iterator[str]:
    """Check the total size of a role's inline policies. White space does not count."""
    policies = state.inline_policies.setdefault(call["RoleName"], {})
    if "PolicyDocument" not in call:  # the policy is deleted
        policies.pop(call["PolicyName"], None)
        return
    policies[call["PolicyName"]] = _without_space(call["PolicyDocument"])
    if (size := sum(policies.values())) > 10_240:
        yield f"{call['RoleName']} has {size} characters of inline policies"


def iam_trust_policy(call: dict[str, Any], _: State) -> Iterator[str]:
    policy = call.get("AssumeRolePolicyDocument", call.get("PolicyDocument", ""))
    if (size := _without_space(policy)) > 2_048:
        yield f"a trust policy of {size} characters"


def iam_managed_policy(call: dict[str, Any], _: State) -> Iterator[str]:
    if (size := _without_space(call["PolicyDocument"])) > 6_144:
        yield f"{size} characters"


def kms_policy(call: dict[str, Any], _: State) -> Iterator[str]:
    if (size := len(call.get("Policy", "").encode())) > 32_768:
        yield f"{size} bytes"


# --- Lambda and CloudWatch Logs ---

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html, "Deprecation date"
DEPRECATED = {
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
NOTICE = timedelta(days=180)  # time before the deprecation at which AWS begins to warn


def days_left(runtime: str, today: date) -> int | None:
    """Return the days until a runtime is deprecated, or None if the table does not have the
    runtime.
    """
    ends = DEPRECATED.get(runtime)
    return None if ends is None else (ends - today).days


def lambda_runtime(call: dict[str, Any], state: State) -> Iterator[str]:
    """Check that the runtime is known and not deprecated.

    The recorded runtime is that of the machine's Python, which a release of Herald cannot change.
    For the runtime of deployments, tests/unit/wire/test_limits.py requires more remaining time.
    """
    if (runtime := call.get("Runtime")) is None:
        return
    left = days_left(runtime, state.today)
    if left is None:
        yield f"{runtime} is not in the table of runtimes: look it up and add it"
    elif left < 0:
        yield f"{runtime} is deprecated since {DEPRECATED[runtime]}"


def lambda_environment(call: dict[str, Any], _: State) -> Iterator[str]:
    variables = (call.get("Environment") or {}).get("Variables") or {}
    size = sum(len(f"{name}{value}".encode()) for name, value in variables.items())
    if size > 4_096:
        yield f"{size} bytes of environment variables"


_RETENTION = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731,
    1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def log_retention(call: dict[str, Any], _: State) -> Iterator[str]:
    if call["retentionInDays"] not in _RETENTION:
        yield f"{call['retentionInDays']} days"

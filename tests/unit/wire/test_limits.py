"""The documented limits that the models lack. Each check accepts values at the limit and reports
values above it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wire import decode, limits, rules

ROOT = Path(__file__).parents[3]
_MODEL = decode._model


def call(name: str, **parameters: Any) -> decode.Call:
    service, _, operation = name.partition(":")
    return decode.Call(service, _MODEL(service).operation_model(operation), parameters, [])


def broken(name: str, state: limits.State | None = None, **parameters: Any) -> list[str]:
    """Return the names of the rules that a call violates."""
    found = rules.violations(call(name, **parameters), state or limits.State())
    return [match[1] for each in found if (match := re.search(r"the rule: (.+) \(https", each))]


_TEXT = {"DataType": "String", "StringValue": "x"}
_POLICY = '{"Statement": []}'


@pytest.mark.parametrize(
    ("name", "right", "wrong", "rule"),
    [
        (
            "sqs:SendMessageBatch",
            {"Entries": [{"MessageBody": "\t\n\r \ud7ff\ufffd😀"}]},
            {"Entries": [{"MessageBody": "fine"}, {"MessageBody": "\x0b"}]},
            "characters that SQS takes",
        ),
        (
            "sns:PublishBatch",
            {"PublishBatchRequestEntries": [{"Message": "fine"}]},
            {
                "PublishBatchRequestEntries": [
                    {"Message": "x", "MessageAttributes": {"a": {"StringValue": "\ufffe"}}}
                ]
            },
            "characters that SQS takes",
        ),
        (
            "sns:Publish",
            {"Message": "x", "MessageAttributes": dict.fromkeys(map(str, range(10)), _TEXT)},
            {"Message": "x", "MessageAttributes": dict.fromkeys(map(str, range(11)), _TEXT)},
            "10 attributes with raw delivery",
        ),
        (
            "sns:PublishBatch",
            {"PublishBatchRequestEntries": [{"Message": "x" * 131_072}] * 2},
            {"PublishBatchRequestEntries": [{"Message": "x" * 131_072}] * 2 + [{"Message": "x"}]},
            "256 KB for SNS",
        ),
        (
            "sqs:SendMessage",
            {"MessageBody": "x" * 1_048_576},
            {"MessageBody": "é" * 524_289},
            "1 MiB for SQS",
        ),
        (
            "sqs:SetQueueAttributes",
            {"Attributes": {"Policy": _POLICY.ljust(8_192)}},
            {"Attributes": {"Policy": _POLICY.ljust(8_193)}},
            "queue policies of 8 KB",
        ),
        (
            "sqs:CreateQueue",
            {"Attributes": {"Policy": f'{{"Statement": [{",".join(["{}"] * 20)}]}}'}},
            {"Attributes": {"Policy": f'{{"Statement": [{",".join(["{}"] * 21)}]}}'}},
            "queue policies of 8 KB",
        ),
        (
            "sns:SetTopicAttributes",
            {"AttributeName": "Policy", "AttributeValue": " " * 30_720},
            {"AttributeName": "Policy", "AttributeValue": " " * 30_721},
            "topic policies of 30 KB",
        ),
        (
            "dynamodb:PutItem",
            {"Item": {"id": {"S": "x" * (409_600 - 2)}}},
            {"Item": {"id": {"S": "x" * (409_600 - 1)}}},
            "400 KB for an item",
        ),
        (
            "dynamodb:BatchWriteItem",
            {"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {"S": "x"}}}}] * 25}},
            {"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {"S": "x" * 409_600}}}}]}},
            "400 KB for an item",
        ),
        (
            "dynamodb:BatchWriteItem",
            {
                "RequestItems": {
                    "t": [{"DeleteRequest": {}}] * 12,
                    "u": [{"DeleteRequest": {}}] * 13,
                }
            },
            {
                "RequestItems": {
                    "t": [{"DeleteRequest": {}}] * 13,
                    "u": [{"DeleteRequest": {}}] * 13,
                }
            },
            "100 reads, 25 writes in a batch",
        ),
        (
            "dynamodb:BatchGetItem",
            {"RequestItems": {"t": {"Keys": [{"id": {"S": "x"}}] * 100}}},
            {"RequestItems": {"t": {"Keys": [{"id": {"S": "x"}}] * 101}}},
            "100 reads, 25 writes in a batch",
        ),
        (
            "dynamodb:GetItem",
            {"Key": {"id": {"S": "x" * 2_048}}},
            {"Key": {"id": {"S": "é" * 1_025}}},
            "1 to 2,048 bytes for a key",
        ),
        (
            "dynamodb:UpdateItem",
            {"Key": {"id": {"S": "x"}}},
            {"Key": {"id": {"S": ""}}},
            "1 to 2,048 bytes for a key",
        ),
        (
            "iam:CreateRole",
            {"AssumeRolePolicyDocument": "x" * 2_048 + " \n"},
            {"AssumeRolePolicyDocument": "x" * 2_049},
            "trust policies of 2,048 characters",
        ),
        (
            "iam:CreatePolicy",
            {"PolicyDocument": "x" * 6_144},
            {"PolicyDocument": "x" * 6_145},
            "managed policies of 6,144 characters",
        ),
        (
            "kms:CreateKey",
            {"Policy": "x" * 32_768},
            {"Policy": "x" * 32_769},
            "key policies of 32 KB",
        ),
        (
            "lambda:CreateFunction",
            {"Environment": {"Variables": {"A": "x" * 4_095}}},
            {"Environment": {"Variables": {"A": "x" * 4_096}}},
            "4 KB of environment variables",
        ),
        (
            "logs:PutRetentionPolicy",
            {"retentionInDays": 30},
            {"retentionInDays": 31},
            "days that logs can be kept",
        ),
        (
            "lambda:CreateFunction",
            {"Runtime": "python3.14"},
            {"Runtime": "python3.15"},
            "runtimes that are not deprecated",
        ),
    ],
)
def test_a_rule_passes_what_is_just_right(
    name: str, right: dict[str, Any], wrong: dict[str, Any], rule: str
) -> None:
    state = limits.State()
    state.today = datetime(2026, 6, 1, tzinfo=UTC).date()
    assert broken(name, state, **right) == []
    assert broken(name, state, **wrong) == [rule]


def test_each_rule_is_for_operations_that_exist_and_names_its_source() -> None:
    for rule in rules.RULES:
        assert rule.source.startswith("https://docs.aws.amazon.com/"), rule.name
        assert rule.operations, rule.name
        for name in rule.operations:
            service, _, operation = name.partition(":")
            assert operation in _MODEL(service).operation_names, name


def test_inline_policies_of_a_role_count_together() -> None:
    state = limits.State()

    def put(role: str, policy: str, size: int) -> list[str]:
        document = "x" * size + " " * 5_000  # white space does not count
        return broken(
            "iam:PutRolePolicy", state, RoleName=role, PolicyName=policy, PolicyDocument=document
        )

    rule = ["10,240 characters of inline policies for a role"]
    assert put("a", "one", 10_000) == []
    assert put("b", "one", 10_000) == []
    assert put("a", "two", 241) == rule
    assert put("a", "two", 240) == []
    assert broken("iam:DeleteRolePolicy", state, RoleName="a", PolicyName="one") == []
    assert put("a", "three", 10_000) == []
    assert put("a", "four", 1) == rule


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"N": "100"}, 1),
        ({"N": "-12.5"}, 2),
        ({"B": "AAAA"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": [{"S": "a"}, {"S": "b"}]}, 7),
        ({"M": {"ab": {"S": "c"}}}, 7),
        ({"SS": ["a", "bc"]}, 3),
    ],
)
def test_the_size_of_an_item_is_dynamodbs(value: dict[str, Any], size: int) -> None:
    assert limits.item_size({"id": value}) == 2 + size


def test_a_deprecated_runtime_is_refused_from_its_day_on() -> None:
    state = limits.State()
    last = limits.DEPRECATED["python3.12"]
    state.today = last
    assert broken("lambda:CreateFunction", state, Runtime="python3.12") == []
    state.today = last.replace(month=last.month + 1, day=1)
    rule = "runtimes that are not deprecated"
    assert broken("lambda:CreateFunction", state, Runtime="python3.12") == [rule]


def test_the_runtime_that_is_deployed_is_good_for_half_a_year() -> None:
    variables = (ROOT / "infra" / "variables.tf").read_text()
    block = variables.split('variable "lambda_runtime"', 1)[1]
    found = re.search(r'default\s*=\s*"(python[\d.]+)"', block)
    assert found, "infra/variables.tf names no default runtime"
    left = limits.days_left(found[1], datetime.now(UTC).date())
    assert left is not None, f"{found[1]} is not in the table of runtimes"
    assert left > limits.NOTICE.days, f"{found[1]} is deprecated in {left} days: take a newer one"

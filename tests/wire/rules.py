"""Documented limits and rules that AWS's models lack, each with its documentation page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.wire import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.wire.decode import Call

_DOCS = "https://docs.aws.amazon.com"


class Rule(NamedTuple):
    """A rule for the named operations; `check` yields the violations."""

    name: str
    source: str
    operations: tuple[str, ...]
    check: Callable[[dict[str, Any], limits.State], Iterator[str]]


_SENT = ("sqs:SendMessage", "sqs:SendMessageBatch")
_PUBLISHED = ("sns:Publish", "sns:PublishBatch")
_QUOTAS = f"{_DOCS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"
_DYNAMODB = f"{_DOCS}/amazondynamodb/latest/developerguide/Constraints.html"
_IAM = f"{_DOCS}/IAM/latest/UserGuide/reference_iam-quotas.html"
_LAMBDA = f"{_DOCS}/lambda/latest/dg"

RULES = (
    Rule(
        "characters that SQS takes",
        f"{_DOCS}/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html",
        (*_SENT, *_PUBLISHED),
        limits.sqs_characters,
    ),
    Rule(
        "10 attributes with raw delivery",
        f"{_DOCS}/sns/latest/dg/sns-message-attributes.html",
        (*_SENT, *_PUBLISHED),
        limits.attribute_count,
    ),
    Rule("1 MiB for SQS", _QUOTAS, _SENT, limits.sqs_size),
    Rule("256 KB for SNS", f"{_DOCS}/sns/latest/api/API_Publish.html", _PUBLISHED, limits.sns_size),
    Rule(
        "queue policies of 8 KB",
        f"{_DOCS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html",
        ("sqs:CreateQueue", "sqs:SetQueueAttributes"),
        limits.sqs_policy,
    ),
    Rule(
        "topic policies of 30 KB",
        f"{_DOCS}/general/latest/gr/sns.html",
        ("sns:CreateTopic", "sns:SetTopicAttributes"),
        limits.sns_policy,
    ),
    Rule(
        "400 KB for an item",
        _DYNAMODB,
        ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
        limits.dynamodb_items,
    ),
    Rule(
        "1 to 2,048 bytes for a key",
        _DYNAMODB,
        (
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            "dynamodb:BatchGetItem",
        ),
        limits.dynamodb_keys,
    ),
    Rule(
        "100 reads, 25 writes in a batch",
        f"{_DOCS}/amazondynamodb/latest/APIReference/API_BatchWriteItem.html",
        ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"),
        limits.dynamodb_batch,
    ),
    Rule(
        "10,240 characters of inline policies for a role",
        _IAM,
        ("iam:PutRolePolicy", "iam:DeleteRolePolicy"),
        limits.iam_role_policies,
    ),
    Rule(
        "trust policies of 2,048 characters",
        _IAM,
        ("iam:CreateRole", "iam:UpdateAssumeRolePolicy"),
        limits.iam_trust_policy,
    ),
    Rule(
        "managed policies of 6,144 characters",
        _IAM,
        ("iam:CreatePolicy", "iam:CreatePolicyVersion"),
        limits.iam_managed_policy,
    ),
    Rule(
        "key policies of 32 KB",
        f"{_DOCS}/kms/latest/developerguide/resource-limits.html",
        ("kms:CreateKey", "kms:PutKeyPolicy"),
        limits.kms_policy,
    ),
    Rule(
        "runtimes that are not deprecated",
        f"{_LAMBDA}/lambda-runtimes.html",
        ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"),
        limits.lambda_runtime,
    ),
    Rule(
        "4 KB of environment variables",
        f"{_LAMBDA}/gettingstarted-limits.html",
        ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"),
        limits.lambda_environment,
    ),
    Rule(
        "days that logs can be kept",
        f"{_DOCS}/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
        ("logs:PutRetentionPolicy",),
        limits.log_retention,
    ),
)


def violations(call: Call, state: limits.State) -> Iterator[str]:
    """Yield the rules that a call violates. The parameters of the call must have valid shapes."""
    for rule in RULES:
        if call.name in rule.operations:
            for found in rule.check(call.parameters, state):
                yield f"{found}; the rule: {rule.name} ({rule.source})"

"""Generates the minimal policy for the deploying role from Terraform's recorded requests.

`python -m tests.wire.policy [requests.jsonl]` writes docs/deploy-policy.json. The record must
include an apply, a plan and a destroy. tests/e2e/test_zz_wire.py creates such a record and compares
the policy with the document.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.wire import decode, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.wire.decode import Call
    from tests.wire.records import Request

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "deploy-policy.json"
RECORD = ROOT / "build" / "test-stack" / "logs" / "requests.jsonl"

# Operations whose IAM action has another name. The source for this file is AWS's Service
# Authorization Reference; the tables below also name the documentation page of the service.
_EXCEPTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:DeleteBucketCors": "s3:PutBucketCORS",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:PutBucketCors": "s3:PutBucketCORS",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}

# Actions that a later deployment needs to change existing resources.
_UPDATES = {
    "cloudwatch:PutMetricAlarm": ("cloudwatch:TagResource", "cloudwatch:UntagResource"),
    "dynamodb:CreateTable": (
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:UpdateTable",
    ),
    "events:PutRule": ("events:TagResource", "events:UntagResource"),
    "iam:CreateRole": (
        "iam:DeleteRolePermissionsBoundary",
        "iam:PutRolePermissionsBoundary",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
    ),
    "kms:CreateAlias": ("kms:UpdateAlias",),
    "kms:CreateKey": (
        "kms:PutKeyPolicy",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateKeyDescription",
    ),
    "lambda:CreateEventSourceMapping": ("lambda:UpdateEventSourceMapping",),
    "lambda:CreateFunction": (
        "lambda:DeleteFunctionConcurrency",
        "lambda:PutFunctionConcurrency",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
    "logs:CreateLogGroup": (
        "logs:AssociateKmsKey",
        "logs:DeleteRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
    ),
    "s3:CreateBucket": ("s3:PutBucketTagging",),
    "secretsmanager:CreateSecret": (
        "secretsmanager:TagResource",
        "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecret",
    ),
    "sns:CreateTopic": ("sns:TagResource", "sns:UntagResource"),
    "sns:Subscribe": ("sns:SetSubscriptionAttributes",),
    "sqs:CreateQueue": ("sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"),
}

# Further actions that AWS requires from the caller if the operation has one of these members.
_BESIDES = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
    ("apigatewayv2:CreateStage", "AccessLogSettings"): (
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    ("dynamodb:CreateTable", "SSESpecification"): (
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ),
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    ("lambda:CreateFunction", "KMSKeyArn"): ("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"),
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    ("s3:DeleteObjects", "Delete"): ("s3:DeleteObjectVersion",),
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    ("secretsmanager:CreateSecret", "KmsKeyId"): ("kms:Decrypt", "kms:GenerateDataKey"),
}

_PASSED = {"lambda:CreateFunction": "lambda.amazonaws.com"}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/using-service-linked-roles.html
_LINKED = {"apigatewayv2:CreateApi": "ops.apigateway.amazonaws.com"}
_ROLES = "arn:*:iam::*:role/herald-*"


def calls(requests: Iterable[Request]) -> list[Call]:
    """Return the decoded requests of Terraform; raises decode.Undecodable."""
    return [decode.decode(request) for request in requests if request.by_terraform]


def action(call: Call) -> str:
    """Return the IAM action that a call needs."""
    if call.service in ("apigateway", "apigatewayv2"):
        return f"apigateway:{call.operation.http['method']}"
    name = call.name.removesuffix("Batch") if call.service in ("sns", "sqs") else call.name
    return _EXCEPTIONS.get(name, name)


def document(asked: Sequence[Call]) -> dict[str, Any]:
    """Return the policy that a role needs to make these calls."""
    names = {call.name for call in asked}
    recorded = {action(call) for call in asked}
    updates = {each for name in names for each in _UPDATES.get(name, ())}
    if any(name.startswith("apigatewayv2:Create") for name in names):
        updates |= {"apigateway:PATCH", "apigateway:PUT"}  # PUT is needed for tags
    besides = {
        each
        for call in asked
        for (name, member), actions in _BESIDES.items()
        if call.name == name and call.parameters.get(member)
        for each in actions
    }
    on_roles = {each for each in recorded | updates if each.startswith("iam:")}
    statements = [
        _statement("Recorded", recorded - on_roles),
        _statement("ForUpdates", updates - recorded - on_roles),
        _statement("AskedBesides", besides - recorded - updates),
        _statement("RolesOfHerald", on_roles, _ROLES),
        _statement("GivenToServices", {"iam:PassRole"}, _ROLES)
        | {"Condition": _equals("iam:PassedToService", _services(_PASSED, names))},
        _statement("OnceInAnAccount", {"iam:CreateServiceLinkedRole"})
        | {"Condition": _equals("iam:AWSServiceName", _services(_LINKED, names))},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _services(table: dict[str, str], names: set[str]) -> list[str]:
    return sorted(service for name, service in table.items() if name in names)


def _equals(key: str, values: list[str]) -> dict[str, Any]:
    return {"StringEquals": {key: values}}


def _statement(sid: str, actions: set[str], resource: str = "*") -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": resource}


def text(policy: dict[str, Any]) -> str:
    return json.dumps(policy, indent=2) + "\n"


def main(arguments: Sequence[str]) -> int:
    asked = calls(records.load(Path(arguments[0]) if arguments else RECORD))
    needed = {"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction"}
    if missing := needed - {call.name for call in asked}:
        print(f"The record has no complete apply, plan and destroy: {missing}", file=sys.stderr)
        return 1
    DOCUMENT.write_text(text(document(asked)))
    print(DOCUMENT.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

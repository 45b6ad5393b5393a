"""Runs after all other tests: checks all AWS requests of the run and destroys the stack.

conftest.py runs these tests last. They run Terraform's plan and destroy, so that the record also
has the requests of these two commands. A stack that was running before the tests (HERALD_STACK_ENV)
is planned but not destroyed, and its record may be incomplete.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from local import emulator, processes
from tests.wire import conformance, policy, records
from tooling import terraform

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.wire.records import Request

pytestmark = pytest.mark.e2e

_OWN = "HERALD_STACK_ENV" not in os.environ
own_stack = pytest.mark.skipif(not _OWN, reason="another's stack is not destroyed")

# The minimum: for each service, the operations that must be in the record. A change that uses
# another operation does not need an entry here.
_EXPECTED = {
    "apigatewaymanagementapi": {"DeleteConnection", "PostToConnection"},
    "apigatewayv2": {
        "CreateApi", "CreateAuthorizer", "CreateDeployment", "CreateIntegration", "CreateRoute",
        "CreateRouteResponse", "CreateStage", "DeleteApi", "GetApi",
    },
    "cloudwatch": {"DeleteAlarms", "DescribeAlarms", "PutDashboard", "PutMetricAlarm"},
    "dynamodb": {
        "BatchGetItem", "BatchWriteItem", "CreateTable", "DeleteTable", "GetItem", "PutItem",
        "Query", "UpdateItem", "UpdateTimeToLive",
    },
    "events": {"DeleteRule", "PutRule", "PutTargets", "RemoveTargets"},
    "iam": {"CreateRole", "DeleteRole", "DeleteRolePolicy", "GetRolePolicy", "PutRolePolicy"},
    "kms": {"CreateAlias", "CreateKey", "EnableKeyRotation", "ScheduleKeyDeletion"},
    "lambda": {
        "AddPermission", "CreateEventSourceMapping", "CreateFunction", "DeleteFunction", "Invoke",
        "PutFunctionEventInvokeConfig", "RemovePermission",
    },
    "logs": {"CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy"},
    "s3": {
        "CompleteMultipartUpload", "CreateBucket", "CreateMultipartUpload", "DeleteBucket",
        "GetObject",
        "ListParts", "PutBucketCors", "PutBucketEncryption", "PutBucketLifecycleConfiguration",
        "PutBucketPolicy", "PutObject", "PutPublicAccessBlock", "UploadPart",
    },
    "secretsmanager": {"CreateSecret", "DeleteSecret", "GetSecretValue", "PutSecretValue"},
    "sns": {"CreateTopic", "DeleteTopic", "Publish", "PublishBatch", "Subscribe", "Unsubscribe"},
    "sqs": {"CreateQueue", "DeleteQueue", "GetQueueAttributes", "SendMessage"},
    "sts": {"GetCallerIdentity"},
}  # fmt: skip


@pytest.fixture(scope="module")
def requests(stack: Stack, stack_env: dict[str, str]) -> list[Request]:
    """All recorded requests, including those of Terraform's plan and destroy."""
    run_terraform(stack, stack_env, "plan", "-refresh=true", "-lock=false")
    if _OWN:
        run_terraform(stack, stack_env, "destroy", "-auto-approve")
    return records.load(emulator.requests_file(stack.directory))


def run_terraform(stack: Stack, env: dict[str, str], command: str, *options: str) -> None:
    aws = {name: value for name, value in env.items() if name.startswith("AWS_")}
    own = processes.clean_environment(stack.directory, {**aws, "AWS_EC2_METADATA_DISABLED": "true"})
    program = str(terraform.find_terraform())
    result = subprocess.run(
        [program, command, "-no-color", "-parallelism=20", *options],
        cwd=stack.directory / "infra",
        env=terraform.environment(own),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_aws_would_take_every_request(requests: list[Request]) -> None:
    violations = conformance.check(requests).violations
    assert violations == [], "\n".join(violations[:20])


@own_stack
def test_every_kind_of_request_was_seen(requests: list[Request]) -> None:
    seen = conformance.check(requests).operations
    missing = [
        f"{service}:{name}"
        for service, names in _EXPECTED.items()
        for name in sorted(names)
        if f"{service}:{name}" not in seen
    ]
    assert missing == []
    assert len(requests) >= 1_000


@own_stack
def test_the_deploy_policy_is_what_terraform_asks_for(requests: list[Request]) -> None:
    found = policy.document(policy.calls(requests))
    documented = json.loads(policy.DOCUMENT.read_text())
    assert found == documented, "`python -m tests.wire.policy` writes docs/deploy-policy.json anew"


@own_stack
def test_destroying_leaves_nothing(requests: list[Request], stack: Stack) -> None:
    assert requests
    state = json.loads((stack.directory / "infra" / "terraform.tfstate").read_text())
    assert [resource for resource in state["resources"] if resource["mode"] == "managed"] == []

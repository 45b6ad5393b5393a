"""The policies that Terraform renders, and the deploying role's policy, have no known mistakes."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.running import REGION, Terraform, copy_of_infra
from tests.wire import policy as deploy_policy
from tooling import ROOT, environments

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.infra

Document = dict[str, Any]

FUNCTIONS = [
    *("authorize", "callback", "connect", "deliver", "disconnect", "keep", "link", "message"),
    *("reconcile", "relay"),
]
OPTIONAL = ("keep", "link")  # with `count` in the root module
ACCOUNT = "123456789012"  # moto's
_AT = f"{REGION}:{ACCOUNT}"
_KEY = f"arn:aws:kms:{_AT}:key/0f7d3c1e-8a4b-4f27-9d55-3a1b2c4d5e6f"

# A plan does not know the ARNs of new resources. These ARNs have the same form as those of AWS.
_ARNS = {
    "keys": {f"{key}_key_arn": _KEY for key in ("logs", "messaging", "storage")},
    "messaging": {
        "error_topic_arn": f"arn:aws:sns:{_AT}:error-notifications",
        "progress_queue_arn": f"arn:aws:sqs:{_AT}:generation-complete-progress-queue",
        "queue_arn": f"arn:aws:sqs:{_AT}:generation-complete-queue",
        "topic_arn": f"arn:aws:sns:{_AT}:generation-complete",
    },
    "outputs": {
        "bucket_arn": "arn:aws:s3:::herald-test-outputs",
        "key_arn": _KEY,
        "queue_arn": f"arn:aws:sqs:{_AT}:generation-complete-keep",
        "secret_arn": f"arn:aws:secretsmanager:{_AT}:secret:herald-outputs-aB3xYz",
        "table_arn": f"arn:aws:dynamodb:{_AT}:table/herald-test-outputs",
    },
    "storage": {
        **{
            f"{table}_table_arn": f"arn:aws:dynamodb:{_AT}:table/herald-test-{table}"
            for table in ("api_keys", "connections", "inbox")
        },
        **{
            f"{secret}_secret_arn": f"arn:aws:secretsmanager:{_AT}:secret:herald-{secret}-aB3xYz"
            for secret in ("database", "jwt", "providers", "webhook")
        },
    },
    "websocket": {"execution_arn": f"arn:aws:execute-api:{_AT}:abc123"},
}  # fmt: skip
_POLICIES = {
    "aws_iam_role": "assume_role_policy",
    "aws_iam_role_policy": "policy",
    "aws_kms_key": "policy",
    "aws_s3_bucket_policy": "policy",
    "aws_sns_topic": "policy",
    "aws_sqs_queue": "policy",
}


def log_groups() -> Document:
    """Return a state with the functions' log groups, because the role policies contain their ARNs.

    Their attributes are the configured ones. If the plan had to change a log group, the policy with
    its ARN would be unknown.
    """
    groups = []
    for name in FUNCTIONS:
        group = f"/aws/lambda/herald-test-{name}"
        attributes = {
            "arn": f"arn:aws:logs:{_AT}:log-group:{group}",
            "id": group,
            "kms_key_id": _KEY,
            "log_group_class": "STANDARD",
            "name": group,
            "retention_in_days": 30,
            "skip_destroy": False,
            "tags_all": {"Application": "herald", "Stage": "test"},
        }
        groups.append(
            {
                "module": f"module.{name}[0]" if name in OPTIONAL else f"module.{name}",
                "mode": "managed",
                "type": "aws_cloudwatch_log_group",
                "name": "this",
                "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
                "instances": [{"schema_version": 0, "attributes": attributes}],
            }
        )
    state = {"version": 4, "terraform_version": "1.10.0", "serial": 1, "lineage": "test"}
    return {**state, "resources": groups}


@pytest.fixture(scope="module")
def rendered(
    tmp_path_factory: pytest.TempPathFactory, moto_environment: dict[str, str]
) -> dict[str, Document]:
    """Return every policy of a stage in a VPC, with tracing, by the address of its resource."""
    directory = copy_of_infra(tmp_path_factory.mktemp("policies") / "infra")
    (directory / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    for module, arns in _ARNS.items():
        text = "".join(f'output "{name}" {{\n  value = "{arn}"\n}}\n' for name, arn in arns.items())
        (directory / "modules" / module / "arns_override.tf").write_text(text)
    (directory / "terraform.tfstate").write_text(json.dumps(log_groups()))
    variables = {
        "aws_account_id": ACCOUNT,
        "aws_region": REGION,
        "stage": "test",
        "jwt_issuer": "https://login.example.com",
        "package_path": "main.tf",  # only hashed here
        "keep_outputs": True,
        "tracing": True,
        "vpc_subnet_ids": ["subnet-1"],
        "vpc_security_group_ids": ["sg-1"],
        "permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    }
    (directory / "terraform.tfvars.json").write_text(json.dumps(variables))
    planning = Terraform(directory, **moto_environment)
    planning.output("init", "-no-color")
    planning.output("plan", "-no-color", "-refresh=false", "-out=plan.bin")
    shown = json.loads(planning.output("show", "-json", "plan.bin"))
    found = {}
    for change in shown["resource_changes"]:
        if change["mode"] == "managed" and (name := _POLICIES.get(change["type"])):
            document = change["change"]["after"].get(name)
            assert document, f"the plan does not know {name} of {change['address']}"
            found[change["address"]] = json.loads(document)
    return found


def with_resource(document: Document, resource: str) -> Document:
    """Set the resource of each statement: trust policies have none, and key policies have "*"."""
    statements = [
        {**statement, "Resource": resource}
        for statement in document["Statement"]
        if statement.get("Sid") != "AccountThroughIam"  # kms:*, as AWS requires it in every key
    ]
    return {**document, "Statement": statements}


def prepared(address: str, document: Document) -> Document:
    kind = next(part for part in address.split(".") if part.startswith("aws_"))
    if kind == "aws_iam_role":
        return with_resource(document, f"arn:aws:iam::{ACCOUNT}:role/x")
    return with_resource(document, _KEY) if kind == "aws_kms_key" else document


def linted(documents: dict[str, Document]) -> dict[str, list[str]]:
    """Return the linters' findings for each policy that has any."""
    result = subprocess.run(
        [str(environments.ensure("policies")), str(ROOT / "tests" / "infra" / "lint_policies.py")],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: findings for name, findings in json.loads(result.stdout).items() if findings}


def test_no_policy_has_a_known_mistake(rendered: dict[str, Document]) -> None:
    expected = 10 + 2 * 10 + 4 + 2 + 6 + 1
    assert len(rendered) == expected, "roles, their policies, keys, topics, queues, bucket"
    documents = {name: prepared(name, document) for name, document in rendered.items()}
    found = linted({name: each for name, each in documents.items() if each["Statement"]})
    # Lambda checks for these actions without a resource: modules/function/policies.tf.
    actions = (
        "AssignPrivateIpAddresses",
        "CreateNetworkInterface",
        "DeleteNetworkInterface",
        "UnassignPrivateIpAddresses",
    )
    in_vpc = {"RESOURCE_STAR", *(f"any resource: ec2:{action} on *" for action in actions)}
    # The statement for log groups comes from CloudWatch's documentation. The linter reports it,
    # because kms:Describe* also covers actions that are not on keys, and because the linter expects
    # an encryption context to be compared as text.
    logs = {"MISMATCHED_TYPE", "RESOURCE_MISMATCH", "UNKNOWN_CONDITION_FOR_ACTION"}
    assert {name: set(map(kind, findings)) for name, findings in found.items()} == {
        "module.callback.aws_iam_role_policy.runtime": in_vpc,
        "module.reconcile.aws_iam_role_policy.runtime": in_vpc,
        "module.relay.aws_iam_role_policy.runtime": in_vpc,
        'module.keys.aws_kms_key.this["logs"]': logs,
    }


def kind(finding: str) -> str:
    """Return the name of parliament's finding, without the details, which repeat the policy."""
    return finding.partition(":")[0] if finding[0].isupper() else finding


def test_the_deploy_policy_has_no_action_that_aws_does_not_have() -> None:
    document = json.loads(deploy_policy.DOCUMENT.read_text())
    found = linted({"deploy": document}).get("deploy", [])
    assert [
        each for each in found if re.match("unknown action|UNKNOWN_ACTION|MALFORMED", each)
    ] == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"Action": "dynamodb:GetItems"}, "unknown action"),
        ({"Resource": f"arn:aws:sqs:{_AT}:queue"}, "another type of resource"),
        ({"Resource": "*"}, "any resource"),
        ({"Effect": "Allowed"}, "MALFORMED"),
        ({"Condition": {"StringLikes": {"aws:SourceArn": "x"}}}, "UNKNOWN_OPERATOR"),
        ({"Condition": {"StringEquals": {"dynamodb:NoKey": "x"}}}, "UNKNOWN_CONDITION"),
    ],
)
def test_a_planted_mistake_is_found(change: Document, finding: str) -> None:
    right = {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": f"arn:aws:dynamodb:{_AT}:table/herald-test-inbox",
    }
    documents = {
        "right": {"Version": "2012-10-17", "Statement": [right]},
        "wrong": {"Version": "2012-10-17", "Statement": [{**right, **change}]},
    }
    found = linted(documents)
    assert "right" not in found
    assert any(finding in each for each in found["wrong"]), found


# --- checkov ---

_CHECKOV = ROOT / "infra" / ".checkov.yaml"


@pytest.fixture(scope="module")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Return checkov's results without the exceptions of .checkov.yaml."""
    directory: Path = copy_of_infra(tmp_path_factory.mktemp("checkov") / "infra")
    (directory / _CHECKOV.name).unlink()
    program = environments.ensure("policies").with_name("checkov")
    options = ["--framework", "terraform", "--skip-download", "--compact", "-o", "json"]
    result = subprocess.run(
        [str(program), "-d", str(directory), *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    report: Document = json.loads(result.stdout)
    return report


def exceptions() -> dict[str, str]:
    """Return the checks that .checkov.yaml skips, and why."""
    found = re.findall(r"(?m)^  # (.+)\n  - (CKV\w+)$", _CHECKOV.read_text())
    assert len(found) == _CHECKOV.read_text().count("  - CKV"), "an exception has no reason"
    return {check: reason for reason, check in found}


def test_checkov_finds_nothing_but_the_exceptions(checkov: Document) -> None:
    assert checkov["summary"]["passed"] > 400
    assert checkov["summary"]["parsing_errors"] == 0
    failed: dict[str, list[str]] = {}
    for check in checkov["results"]["failed_checks"]:
        failed.setdefault(check["check_id"], []).append(check["resource"])
    assert set(failed) == set(exceptions()), f"new, or no longer needed: {failed}"


def test_every_exception_in_the_configuration_has_its_reason(checkov: Document) -> None:
    for check in checkov["results"]["skipped_checks"]:
        assert len(check["check_result"]["suppress_comment"]) > 20, check["resource"]
    assert checkov["summary"]["skipped"] > 0

"""The order of the requests that Terraform sends to moto to destroy a function in a VPC."""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto.awslambda.models import LambdaFunction

from tests.infra.running import REGION, Terraform, copy_of_infra

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.infra, pytest.mark.integration]

_POLICY = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
_KEY = f"arn:aws:kms:{REGION}:123456789012:key/0f7d3c1e-8a4b-4f27-9d55-3a1b2c4d5e6f"


def test_a_destroyed_function_leaves_its_security_groups_before_it_loses_its_rights(
    tmp_path: Path, moto_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2: Any = boto3.client(
        "ec2",
        region_name=REGION,
        endpoint_url=moto_environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=moto_environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=moto_environment["AWS_SECRET_ACCESS_KEY"],
    )
    subnet = ec2.describe_subnets()["Subnets"][0]
    # moto reports a VPC that is not the subnet's. The provider would look for the default group of
    # that VPC.
    config = cast(property, LambdaFunction.vpc_config).fget
    assert config
    monkeypatch.setattr(
        LambdaFunction,
        "vpc_config",
        property(lambda self: {**config(self), "VpcId": subnet["VpcId"]}),
    )
    vpc = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}]
    [default] = ec2.describe_security_groups(
        Filters=[*vpc, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    own = ec2.create_security_group(
        GroupName="herald-destroy", Description="own", VpcId=subnet["VpcId"]
    )["GroupId"]
    directory = copy_of_infra(tmp_path / "infra") / "modules" / "function"
    with zipfile.ZipFile(directory / "package.zip", "w") as archive:
        archive.writestr("app.py", "def relay(event, context): pass\n")
    variables = {
        "name": "relay",
        "description": "A function",
        "handler": "app.relay",
        "size": {"memory_size": 512, "timeout": 10},
        "shared": {
            "name_prefix": "herald-test",
            "environment": {},
            "environment_overrides": {},
            "architecture": "x86_64",
            "keys": dict.fromkeys(("logs", "messaging", "storage"), _KEY),
            "log_retention_days": 30,
            "package_path": "package.zip",
            "role": {"path": "/", "permissions_boundary_arn": None},
            "runtime": "python3.13",
            "tracing": False,
        },
        "environment": {"HERALD_STAGE": "test"},
        "policy": json.dumps({"Version": "2012-10-17", "Statement": [_POLICY]}),
        "vpc_subnet_ids": [subnet["SubnetId"]],
        "vpc_security_group_ids": [own],
    }
    (directory / "terraform.tfvars.json").write_text(json.dumps(variables))
    log = tmp_path / "provider.log"
    terraform = Terraform(
        directory, **moto_environment, TF_LOG_PROVIDER="DEBUG", TF_LOG_PATH=str(log)
    ).init()
    terraform.output("apply", "-auto-approve", "-no-color")
    log.unlink()
    terraform.output("destroy", "-auto-approve", "-no-color")

    # Each request is one log entry. An entry begins with its time and may have several lines.
    entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\dT)", log.read_text())
    requests = [entry for entry in entries if "HTTP Request Sent" in entry]
    changes = (
        r"rpc.method=(UpdateFunctionConfiguration|DeleteFunction|DeleteRolePolicy|DeleteRole)\b"
    )
    asked = [found[1] for entry in requests if (found := re.search(changes, entry))]
    # The function has two policies. `rights` may be deleted before the function, because nothing
    # invokes the function any more, but the other one must be deleted after it.
    assert asked.index("UpdateFunctionConfiguration") < asked.index("DeleteFunction")
    assert "DeleteRolePolicy" in asked[asked.index("DeleteFunction") :], "its rights went first"
    [update] = [entry for entry in requests if "rpc.method=UpdateFunctionConfiguration" in entry]
    assert default["GroupId"] in update
    assert own not in update

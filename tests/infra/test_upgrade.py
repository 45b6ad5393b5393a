"""An upgraded stage keeps API Gateway's logging role, which other stages need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.running import REGION, Terraform, copy_of_infra

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.infra

# In earlier versions, a stage's state contained the logging role of the account and Region.
_ROLE = "herald-test-api-gateway-logs"
_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
_LOGGING = [
    ("aws_api_gateway_account", "this", {"id": "api-gateway-account"}),
    ("aws_iam_role", "account", {"id": _ROLE, "name": _ROLE, "assume_role_policy": "{}"}),
    ("aws_iam_role_policy_attachment", "account", {"id": "a", "policy_arn": _POLICY}),
]
_OFFLINE = f"""\
provider "aws" {{
  region                      = "{REGION}"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}}
"""
_VARIABLES = {
    "name": "herald-test",
    "stage": "test",
    "authorizer_invoke_arn": "arn:aws:apigateway:eu-central-1:lambda:path/authorize",
    "invoke_arns": dict.fromkeys(("connect", "disconnect", "message"), "arn:aws:apigateway:x"),
    "access_log_group_name": "/aws/vendedlogs/herald-test-websocket",
    "logs_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/logs",
    "log_retention_days": 30,
    "throttling_rate_limit": 2000,
    "throttling_burst_limit": 1000,
}


def _state(resources: list[tuple[str, str, dict[str, str]]]) -> dict[str, Any]:
    provider = 'provider["registry.terraform.io/hashicorp/aws"]'
    return {
        "version": 4,
        "terraform_version": "1.10.0",
        "serial": 1,
        "lineage": "test",
        "resources": [
            {
                "mode": "managed",
                "type": kind,
                "name": name,
                "provider": provider,
                "instances": [{"index_key": 0, "schema_version": 0, "attributes": attributes}],
            }
            for kind, name, attributes in resources
        ],
    }


def test_the_accounts_logging_role_is_not_destroyed_with_an_upgraded_stage(tmp_path: Path) -> None:
    directory = copy_of_infra(tmp_path / "infra") / "modules" / "websocket"
    (directory / "offline.tf").write_text(_OFFLINE)
    (directory / "terraform.tfstate").write_text(json.dumps(_state(_LOGGING)))
    (directory / "terraform.tfvars.json").write_text(json.dumps(_VARIABLES))

    terraform = Terraform(directory).init()
    terraform.output("plan", "-refresh=false", "-no-color", "-out=plan.bin")

    shown = json.loads(terraform.output("show", "-json", "plan.bin"))
    actions = {
        change["type"]: change["change"]["actions"]
        for change in shown["resource_changes"]
        if change["type"] in {kind for kind, _, _ in _LOGGING}
    }
    assert actions == {kind: ["forget"] for kind, _, _ in _LOGGING}

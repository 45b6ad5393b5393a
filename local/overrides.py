"""Terraform override files: all differences from a deployment on AWS.

`{name}` in a text is a value that is known only when the emulator has started.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the emulator does differently from AWS.
_EMULATOR = {
    # The emulator serves all APIs at one address. Each API has its own path.
    "endpoints_override.tf": """\
locals {
  callback_endpoint   = "{url}/_aws/execute-api/${module.callback_api.api_id}/%24default"
  management_endpoint = "{url}/_aws/execute-api/${module.websocket.api_id}/${var.stage}"
}
""",
    # The emulator adds two settings of HTTP APIs to the WebSocket authorizer. Without this
    # override, every plan would try to remove these settings.
    "modules/websocket/authorizer_override.tf": """\
resource "aws_apigatewayv2_authorizer" "this" {
  lifecycle {
    ignore_changes = [authorizer_payload_format_version, jwt_configuration]
  }
}
""",
}

# What is different for a stack of one developer.
_ONE_MACHINE = {
    # The state is a file.
    "backend_override.tf": """\
terraform {
  backend "local" {}
}
""",
    "provider_apis_override.tf": """\
locals {
  provider_apis = jsondecode({provider_apis})
}
""",
    # The emulator forgets its APIs when it stops. With the same ids, they get the same addresses.
    "modules/callback_api/id_override.tf": """\
resource "aws_apigatewayv2_api" "this" {
  tags = { ms-custom-id = "{callback_id}" }
}
""",
    "modules/websocket/id_override.tf": """\
resource "aws_apigatewayv2_api" "this" {
  tags = { ms-custom-id = "{websocket_id}" }
}
""",
    # The other files only save time (docs/adr/0032). From a file, the provider creates one function
    # after the other, and waits five seconds for each.
    "modules/function/package_override.tf": """\
resource "aws_lambda_function" "this" {
  filename  = null
  s3_bucket = "{package_bucket}"
  s3_key    = "package.zip"
}
""",
    # The provider waits 12 seconds for a key and 25 for a queue. The emulator accepts the name of a
    # key or a queue that does not exist yet, so a queue need not wait for its key and for its
    # dead-letter queue.
    "keys_override.tf": """\
module "messaging" {
  kms_key_arn = "arn:aws:kms:${var.aws_region}:${var.aws_account_id}:alias/{messaging_key}"
}

module "outputs" {
  messaging_key_arn = "arn:aws:kms:${var.aws_region}:${var.aws_account_id}:alias/{messaging_key}"
}
""",
    "modules/messaging/redrive_override.tf": """\
resource "aws_sqs_queue" "generation_complete" {
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.arns.dead_letter
    maxReceiveCount     = var.max_receive_count
  })
}
""",
    "modules/outputs/redrive_override.tf": """\
resource "aws_sqs_queue" "keep" {
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_arn
    maxReceiveCount     = var.max_receive_count
  })
}
""",
    # So `keep` need not wait for its queue.
    "modules/outputs/queue_url_override.tf": """\
output "queue_url" {
  value = "{url}/${local.account_id}/${local.queue_name}"
}
""",
    # The provider waits 55 seconds for a lifecycle rule, but not for one in the bucket itself.
    "modules/outputs/lifecycle_override.tf": """\
resource "aws_s3_bucket" "this" {
  lifecycle_rule {
    id                                     = "expire"
    enabled                                = true
    abort_incomplete_multipart_upload_days = 1

    expiration {
      days = var.retention_days
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  count = 0
}
""",
}


def of_emulator(url: str) -> dict[str, str]:
    """Return the override files for any stage on the emulator at `url`, by their paths in
    infra/.
    """
    return {name: text.replace("{url}", url) for name, text in _EMULATOR.items()}


def of_stack(
    url: str,
    provider_apis: Mapping[str, str],
    api_ids: Mapping[str, str],
    stage: str,
    *,
    package_bucket: str,
) -> dict[str, str]:
    """Return the override files for the local stack, by their paths in infra/.

    `url` is the emulator's address. `provider_apis` are the addresses of stand-ins of providers'
    APIs, which may use http. `api_ids` are the ids of the APIs `websocket` and `callback`.
    """
    values = {
        "url": url,
        "provider_apis": json.dumps(json.dumps(dict(provider_apis))).replace("${", "$${"),
        "websocket_id": api_ids["websocket"],
        "callback_id": api_ids["callback"],
        "package_bucket": package_bucket,
        "messaging_key": f"herald-{stage}-messaging",
    }
    found = of_emulator(url)
    for name, text in _ONE_MACHINE.items():
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)  # noqa: PLW2901
        found[name] = text
    return found

data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # For each key, the services whose data it encrypts.
  key_services = {
    messaging = ["sns", "sqs"]
    outputs   = ["s3"]
    storage   = ["dynamodb", "secretsmanager"]
  }

  key_actions = {
    decrypt = ["kms:Decrypt"]
    # Publishing to an encrypted topic needs both actions.
    encrypt = ["kms:Decrypt", "kms:GenerateDataKey"]
  }

  # The permissions for keys, by statement id such as DecryptMessaging, DecryptStorage or
  # EncryptMessaging.
  key_uses = merge([
    for use, keys in { decrypt = var.decrypt, encrypt = var.encrypt } : {
      for key, services in keys : "${title(use)}${title(key)}" => {
        actions  = local.key_actions[use]
        key_arn  = var.shared.keys[key]
        services = services
      }
    }
  ]...)

  vpc_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

# The permissions that are declared in the function's file. A key may be used only through the named
# services, so the function cannot call KMS directly to decrypt data.
data "aws_iam_policy_document" "rights" {
  source_policy_documents = [var.policy]

  dynamic "statement" {
    for_each = local.key_uses

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.key_arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values = [
          for service in statement.value.services :
          "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"
        ]
      }
    }
  }
}

data "aws_iam_policy_document" "runtime" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []

    content {
      sid     = "AttachToVpc"
      actions = local.vpc_actions
      # Lambda rejects the VPC configuration if these actions are limited to resources.
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []

    content {
      # The statement above is for the Lambda service; the function's code must not use these actions.
      sid       = "NotForTheCode"
      effect    = "Deny"
      actions   = local.vpc_actions
      resources = ["*"]

      condition {
        test     = "Null"
        variable = "lambda:SourceFunctionArn"
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.shared.tracing ? [true] : []

    content {
      sid     = "SendTraces"
      actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      # X-Ray has no resource types for these actions.
      resources = ["*"]
    }
  }
}

locals {
  vpc_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

data "aws_iam_policy_document" "runtime" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "DecryptEnvironment"
    actions   = ["kms:Decrypt"]
    resources = [var.environment_key_arn]
  }

  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []

    content {
      sid     = "AttachToVpc"
      actions = local.vpc_actions
      # AWS: Lambda refuses the configuration when these are limited to resources.
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.in_vpc ? [true] : []

    content {
      # The rights above are for the Lambda service; the function's own code gets none of them.
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
    for_each = var.tracing ? [true] : []

    content {
      sid     = "SendTraces"
      actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      # AWS: X-Ray has no resources that these actions could name.
      resources = ["*"]
    }
  }
}

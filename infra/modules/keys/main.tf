# One customer-managed key per purpose, or a single key for all of them. Each function's file declares how the function
# may use the keys.
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  dns_suffix = data.aws_partition.current.dns_suffix
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name

  # The ARNs are built from names, because topics and log groups are created after their keys.
  topic_arn = "arn:${local.partition}:sns:${local.region}:${local.account_id}:${var.topic_name}"
  alarm_arn = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name}-*"
  log_group_arns = [
    for prefix in var.log_group_prefixes :
    "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:${prefix}*"
  ]

  keys = var.single_key ? local.single : local.separate

  single = {
    storage = {
      description = "Tables, secrets, topics, queues and logs of Herald (${var.name})"
      policy      = data.aws_iam_policy_document.single.json
    }
  }

  separate = {
    logs = {
      description = "Logs of Herald (${var.name})"
      policy      = data.aws_iam_policy_document.logs.json
    }
    messaging = {
      description = "Topics and queues of Herald (${var.name})"
      policy      = data.aws_iam_policy_document.messaging.json
    }
    storage = {
      description = "Tables and secrets of Herald (${var.name})"
      policy      = data.aws_iam_policy_document.account.json
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = each.value.description
  deletion_window_in_days = var.deletion_window_days
  enable_key_rotation     = true
  policy                  = each.value.policy
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

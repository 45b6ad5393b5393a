# In a key policy, the resource "*" means the key itself.

# Without this statement, nobody could manage the key, not even the root user. The statement grants nothing by
# itself: a principal of the account also needs an IAM policy that names the key.
data "aws_iam_policy_document" "account" {
  #checkov:skip=CKV_AWS_109:AWS requires this statement in a key policy, and it is about one key only
  #checkov:skip=CKV_AWS_111:AWS requires this statement in a key policy, and it is about one key only
  #checkov:skip=CKV_AWS_356:In a key policy, the resource * means this key
  statement {
    sid       = "AccountThroughIam"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }
}

data "aws_iam_policy_document" "messaging" {
  source_policy_documents = [data.aws_iam_policy_document.account.json]

  # SNS writes into the encrypted queue and the encrypted subscription dead-letter queue. There is no condition on
  # aws:SourceAccount: AWS does not document whether SNS sends it to KMS, and the topic's ARN contains the account.
  statement {
    sid       = "TopicToQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.topic_arn]
    }
  }

  # Alarms publish to the encrypted error topic. They could not do so if SNS's AWS-managed key
  # encrypted the topic, because that key's policy does not allow CloudWatch to use it.
  statement {
    sid       = "AlarmsToErrorTopic"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.alarm_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "logs" {
  source_policy_documents = [data.aws_iam_policy_document.account.json]

  statement {
    sid = "LogGroups"
    actions = [
      "kms:Decrypt*",
      "kms:Describe*",
      "kms:Encrypt*",
      "kms:GenerateDataKey*",
      "kms:ReEncrypt*",
    ]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.${local.dns_suffix}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = local.log_group_arns
    }
  }
}

data "aws_iam_policy_document" "single" {
  source_policy_documents   = [data.aws_iam_policy_document.messaging.json]
  override_policy_documents = [data.aws_iam_policy_document.logs.json]
}

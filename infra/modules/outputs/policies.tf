# IAM decides what `keep` and `link` may do: see their files. The policies here deny requests without TLS, and messages
# that do not come from the topic.

data "aws_iam_policy_document" "key" {
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

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "from_topic" {
  for_each = { queue = local.queue_arn, dead_letter = local.dead_letter_arn }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  statement {
    sid       = "FromTopic"
    actions   = ["sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [var.topic_arn]
    }
  }

  # As for the main queue: a redrive sends dead letters with the operator's identity.
  statement {
    sid       = "OnlyFromTopic"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:SourceArn"
      values   = [var.topic_arn]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.redrivers
    }
  }
}

# IAM decides which functions may publish and receive: see each function's file. The policies here admit two
# AWS services, each from one source only, and deny all requests without TLS and all messages that do not come
# from the topic.

data "aws_iam_policy_document" "tls_only" {
  for_each = local.arns

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = endswith(each.key, "topic") ? ["sns:Publish"] : ["sqs:*"]
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
}

# Delivery into the queues and into the subscription's dead-letter queue.
data "aws_iam_policy_document" "from_topic" {
  for_each = toset(["progress", "queue", "subscription_dead_letter"])

  source_policy_documents = [data.aws_iam_policy_document.tls_only[each.key].json]

  statement {
    sid       = "FromTopic"
    actions   = ["sqs:SendMessage"]
    resources = [local.arns[each.key]]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.arns.topic]
    }
  }

  # An event from any other sender would reach its user unchecked, so the permission sqs:SendMessage is not enough. A
  # redrive sends dead letters to the queue with the operator's identity, directly or with SQS's message move task.
  statement {
    sid       = "OnlyFromTopic"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.arns[each.key]]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:SourceArn"
      values   = [local.arns.topic]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.redrivers
    }
  }
}

data "aws_iam_policy_document" "error_topic" {
  source_policy_documents = [data.aws_iam_policy_document.tls_only["error_topic"].json]

  statement {
    sid       = "FromAlarms"
    actions   = ["sns:Publish"]
    resources = [local.arns.error_topic]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name}-*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name

  queue_name         = "${var.topic_name}-queue"
  dead_letter_name   = "${local.queue_name}-dlq"
  undeliverable_name = "${var.topic_name}-subscription-dlq"

  # Built from names, so that each policy is part of its resource: a separate aws_sqs_queue_policy
  # would cost a second wait of ~25 s per queue.
  sns = "arn:${local.partition}:sns:${local.region}:${local.account_id}"
  sqs = "arn:${local.partition}:sqs:${local.region}:${local.account_id}"
  arns = {
    topic         = "${local.sns}:${var.topic_name}"
    error_topic   = "${local.sns}:${var.error_topic_name}"
    queue         = "${local.sqs}:${local.queue_name}"
    dead_letter   = "${local.sqs}:${local.dead_letter_name}"
    undeliverable = "${local.sqs}:${local.undeliverable_name}"
  }

  two_weeks = 14 * 24 * 3600
}

resource "aws_sns_topic" "generation_complete" {
  name              = var.topic_name
  kms_master_key_id = var.kms_key_arn
  policy            = data.aws_iam_policy_document.tls_only["topic"].json
}

resource "aws_sns_topic" "error_notifications" {
  name              = var.error_topic_name
  kms_master_key_id = var.kms_key_arn
  policy            = data.aws_iam_policy_document.error_topic.json
}

resource "aws_sqs_queue" "generation_complete" {
  name                              = local.queue_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  message_retention_seconds         = var.message_retention_seconds
  policy                            = data.aws_iam_policy_document.from_topic["queue"].json
  receive_wait_time_seconds         = 20
  # AWS's rule for Lambda consumers: six times the function's timeout.
  visibility_timeout_seconds = 6 * var.consumer_timeout

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Messages that `deliver` failed on max_receive_count times.
resource "aws_sqs_queue" "dead_letter" {
  name                              = local.dead_letter_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  # Counted from the first enqueue, so it has to exceed the queue's own retention.
  message_retention_seconds = local.two_weeks
  policy                    = data.aws_iam_policy_document.tls_only["dead_letter"].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arns.queue]
  })
}

# Messages that SNS could not put into the queue at all.
resource "aws_sqs_queue" "undeliverable" {
  name                              = local.undeliverable_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  message_retention_seconds         = local.two_weeks
  policy                            = data.aws_iam_policy_document.from_topic["undeliverable"].json
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.generation_complete.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.generation_complete.arn
  raw_message_delivery = true

  # SNS does not retry a denied or deleted queue: this is the only net under it.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.undeliverable.arn
  })
}

resource "aws_sns_topic_subscription" "alarm_email" {
  for_each = toset(var.alarm_email == null ? [] : [var.alarm_email])

  topic_arn = aws_sns_topic.error_notifications.arn
  protocol  = "email"
  endpoint  = each.value
}

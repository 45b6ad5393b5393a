data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name

  queue_name                    = "${var.topic_name}-queue"
  dead_letter_name              = "${local.queue_name}-dlq"
  progress_name                 = "${var.topic_name}-progress-queue"
  subscription_dead_letter_name = "${var.topic_name}-subscription-dlq"

  # The ARNs are built from names, because the policy of a topic or queue is created together with
  # it and contains its ARN.
  sns = "arn:${local.partition}:sns:${local.region}:${local.account_id}"
  sqs = "arn:${local.partition}:sqs:${local.region}:${local.account_id}"
  arns = {
    topic                    = "${local.sns}:${var.topic_name}"
    error_topic              = "${local.sns}:${var.error_topic_name}"
    queue                    = "${local.sqs}:${local.queue_name}"
    dead_letter              = "${local.sqs}:${local.dead_letter_name}"
    progress                 = "${local.sqs}:${local.progress_name}"
    subscription_dead_letter = "${local.sqs}:${local.subscription_dead_letter_name}"
  }

  redrivers = [for principal in var.redrive_principals : "arn:${local.partition}:iam::${local.account_id}:${principal}"]

  two_weeks = 14 * 24 * 3600

  # `callback` and `relay` set the attribute `type` of every event (docs/adr/0020).
  progress_type = "herald.generation.progress"
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
  # AWS recommends six times the timeout of the consuming function.
  visibility_timeout_seconds = 6 * var.consumer_timeout

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Messages that `deliver` could not process in max_receive_count attempts.
resource "aws_sqs_queue" "dead_letter" {
  name                              = local.dead_letter_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  # A message's age counts from its arrival in the main queue, so the retention must be longer than
  # that of the main queue.
  message_retention_seconds = local.two_weeks
  policy                    = data.aws_iam_policy_document.tls_only["dead_letter"].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.arns.queue]
  })
}

# Progress waits in a queue of its own, so that results never wait behind it. There is no dead-letter
# queue: progress that is late or could not be delivered is worthless, because a newer one follows.
resource "aws_sqs_queue" "progress" {
  name                              = local.progress_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  message_retention_seconds         = 60 # the minimum of SQS
  policy                            = data.aws_iam_policy_document.from_topic["progress"].json
  receive_wait_time_seconds         = 20
  visibility_timeout_seconds        = 6 * var.consumer_timeout
}

# Messages that SNS could not put into the queue.
resource "aws_sqs_queue" "subscription_dead_letter" {
  name                              = local.subscription_dead_letter_name
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_data_key_reuse_seconds
  message_retention_seconds         = local.two_weeks
  policy                            = data.aws_iam_policy_document.from_topic["subscription_dead_letter"].json
}

resource "aws_sns_topic_subscription" "progress" {
  topic_arn            = aws_sns_topic.generation_complete.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.progress.arn
  raw_message_delivery = true

  filter_policy = jsonencode({ type = [local.progress_type] })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.generation_complete.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.generation_complete.arn
  raw_message_delivery = true

  filter_policy = jsonencode({ type = [{ "anything-but" = [local.progress_type] }] })

  # During an upgrade, progress is delivered twice rather than not at all.
  depends_on = [aws_sns_topic_subscription.progress]

  # SNS does not retry if the queue is deleted or denies access. Without this dead-letter queue, the
  # message would be lost.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.subscription_dead_letter.arn
  })
}

resource "aws_sns_topic_subscription" "alarm_email" {
  for_each = toset(var.alarm_email == null ? [] : [var.alarm_email])

  topic_arn = aws_sns_topic.error_notifications.arn
  protocol  = "email"
  endpoint  = each.value
}

# The topic's second subscriber. Only results wake `keep`: progress and errors have no outputs to copy.
resource "aws_sqs_queue" "keep" {
  name                              = local.queue_name
  kms_master_key_id                 = var.messaging_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = 4 * 24 * 3600
  policy                            = data.aws_iam_policy_document.from_topic["queue"].json
  receive_wait_time_seconds         = 20
  # Somewhat more than the timeout, not six times as long: the message of a killed invocation must be received again
  # while the provider's link still works, which is 10 minutes for some. Its batches have one message each, so Lambda
  # does not hold messages back.
  visibility_timeout_seconds = var.consumer_timeout + 30

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Events whose outputs could not be copied, and events that SNS could not put into the queue.
resource "aws_sqs_queue" "dead_letter" {
  name                              = local.dead_letter_name
  kms_master_key_id                 = var.messaging_key_arn
  kms_data_key_reuse_period_seconds = 300
  message_retention_seconds         = local.two_weeks
  policy                            = data.aws_iam_policy_document.from_topic["dead_letter"].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

resource "aws_sns_topic_subscription" "keep" {
  topic_arn            = var.topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.keep.arn
  raw_message_delivery = true
  filter_policy        = jsonencode({ type = ["herald.generation.complete"] })

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
  })
}

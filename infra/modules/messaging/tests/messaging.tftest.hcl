# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_resource {
  target = aws_sns_topic.generation_complete
  values = { arn = "arn:aws:sns:eu-central-1:123456789012:generation-complete" }
}

override_resource {
  target = aws_sns_topic.error_notifications
  values = { arn = "arn:aws:sns:eu-central-1:123456789012:error-notifications" }
}

override_resource {
  target = aws_sqs_queue.generation_complete
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue" }
}

override_resource {
  target = aws_sqs_queue.dead_letter
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue-dlq" }
}

override_resource {
  target = aws_sqs_queue.progress
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-progress-queue" }
}

override_resource {
  target = aws_sqs_queue.subscription_dead_letter
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-subscription-dlq" }
}

override_resource {
  target = aws_sns_topic_subscription.progress
}

override_resource {
  target = aws_sns_topic_subscription.queue
}

variables {
  name             = "herald-test"
  topic_name       = "generation-complete"
  error_topic_name = "error-notifications"
  kms_key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/messaging"
  consumer_timeout = 20

  redrive_principals = ["root", "role/aws-reserved/sso.amazonaws.com/*"]
}

run "topics_and_queues" {
  assert {
    condition = [
      aws_sns_topic.generation_complete.name,
      aws_sns_topic.error_notifications.name,
      aws_sqs_queue.generation_complete.name,
      aws_sqs_queue.dead_letter.name,
      aws_sqs_queue.progress.name,
      aws_sqs_queue.subscription_dead_letter.name,
      ] == [
      "generation-complete",
      "error-notifications",
      "generation-complete-queue",
      "generation-complete-queue-dlq",
      "generation-complete-progress-queue",
      "generation-complete-subscription-dlq",
    ]
    error_message = "Topics and queues must keep their published names."
  }

  assert {
    condition = alltrue([
      for encrypted in [
        aws_sns_topic.generation_complete,
        aws_sns_topic.error_notifications,
        aws_sqs_queue.generation_complete,
        aws_sqs_queue.dead_letter,
        aws_sqs_queue.progress,
        aws_sqs_queue.subscription_dead_letter,
      ] : encrypted.kms_master_key_id == var.kms_key_arn
    ])
    error_message = "A topic or queue is not encrypted with the messaging key."
  }

  assert {
    condition = {
      for name, policy in {
        topic                    = aws_sns_topic.generation_complete.policy
        error_topic              = aws_sns_topic.error_notifications.policy
        queue                    = aws_sqs_queue.generation_complete.policy
        dead_letter              = aws_sqs_queue.dead_letter.policy
        progress                 = aws_sqs_queue.progress.policy
        subscription_dead_letter = aws_sqs_queue.subscription_dead_letter.policy
      } : name => jsondecode(policy).Statement[0]
      } == {
      for name, resource in {
        topic                    = "arn:aws:sns:eu-central-1:123456789012:generation-complete"
        error_topic              = "arn:aws:sns:eu-central-1:123456789012:error-notifications"
        queue                    = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue"
        dead_letter              = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-queue-dlq"
        progress                 = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-progress-queue"
        subscription_dead_letter = "arn:aws:sqs:eu-central-1:123456789012:generation-complete-subscription-dlq"
        } : name => {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = endswith(name, "topic") ? "sns:Publish" : "sqs:*"
        Resource  = resource
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    }
    error_message = "Every topic and queue must deny requests without TLS."
  }

  assert {
    condition = [
      for policy in [aws_sqs_queue.generation_complete.policy, aws_sqs_queue.progress.policy, aws_sqs_queue.subscription_dead_letter.policy] :
      [for statement in jsondecode(policy).Statement : statement if statement.Effect == "Allow"]
      ] == [
      for queue in ["generation-complete-queue", "generation-complete-progress-queue", "generation-complete-subscription-dlq"] : [{
        Sid       = "FromTopic"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-central-1:123456789012:${queue}"
        Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:sns:eu-central-1:123456789012:generation-complete" } }
      }]
    ]
    error_message = "Only our topic may send messages to the queues and to the subscription's dead-letter queue."
  }

  assert {
    condition = [
      for policy in [aws_sqs_queue.generation_complete.policy, aws_sqs_queue.progress.policy, aws_sqs_queue.subscription_dead_letter.policy] :
      [for statement in jsondecode(policy).Statement : statement if statement.Sid == "OnlyFromTopic"]
      ] == [
      for queue in ["generation-complete-queue", "generation-complete-progress-queue", "generation-complete-subscription-dlq"] : [{
        Sid       = "OnlyFromTopic"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-central-1:123456789012:${queue}"
        Condition = {
          ArnNotEquals = { "aws:SourceArn" = "arn:aws:sns:eu-central-1:123456789012:generation-complete" }
          ArnNotLike = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:root",
              "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*",
            ]
          }
        }
      }]
    ]
    error_message = "The permission sqs:SendMessage must not be enough to send an event: only the topic and operators may send."
  }

  assert {
    condition     = length([for statement in jsondecode(aws_sqs_queue.dead_letter.policy).Statement : statement if statement.Effect != "Deny"]) == 0
    error_message = "The policy of the dead-letter queue must not allow anything: SQS itself moves messages there."
  }

  assert {
    condition = jsondecode(aws_sns_topic.error_notifications.policy).Statement[1] == {
      Sid       = "FromAlarms"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = "arn:aws:sns:eu-central-1:123456789012:error-notifications"
      Condition = {
        ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:herald-test-*" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }
    }
    error_message = "CloudWatch may publish to the error topic only for our alarms."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.generation_complete, aws_sqs_queue.progress] : queue.visibility_timeout_seconds == 6 * var.consumer_timeout])
    error_message = "The visibility timeout must be six times the consumer's timeout."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.dead_letter, aws_sqs_queue.subscription_dead_letter] :
      queue.message_retention_seconds > aws_sqs_queue.generation_complete.message_retention_seconds
    ])
    error_message = "Dead letters must be kept longer than messages: their age counts from their arrival in the main queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.generation_complete.redrive_policy) == {
      deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
      maxReceiveCount     = 3
    }
    error_message = "The queue must move a message to its dead-letter queue after three receives."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = [aws_sqs_queue.generation_complete.arn]
    }
    error_message = "Only our queue may use the dead-letter queue."
  }

  assert {
    condition     = jsondecode(aws_sns_topic_subscription.queue.redrive_policy).deadLetterTargetArn == aws_sqs_queue.subscription_dead_letter.arn
    error_message = "Messages that SNS cannot deliver must go to the subscription's dead-letter queue."
  }

  assert {
    condition     = aws_sns_topic_subscription.queue.raw_message_delivery && aws_sns_topic_subscription.queue.endpoint == aws_sqs_queue.generation_complete.arn
    error_message = "The topic must deliver raw events into the queue."
  }

  assert {
    condition     = aws_sns_topic_subscription.progress.raw_message_delivery && aws_sns_topic_subscription.progress.endpoint == aws_sqs_queue.progress.arn
    error_message = "The topic must deliver raw progress events into their own queue."
  }

  assert {
    condition = [
      jsondecode(aws_sns_topic_subscription.progress.filter_policy),
      jsondecode(aws_sns_topic_subscription.queue.filter_policy),
      ] == [
      { type = ["herald.generation.progress"] },
      { type = [{ "anything-but" = ["herald.generation.progress"] }] },
    ]
    error_message = "Every event must reach exactly one queue, and only progress the queue for progress."
  }

  assert {
    condition     = aws_sqs_queue.progress.message_retention_seconds == 60
    error_message = "Progress that waited for more than a minute is worthless."
  }
}

run "receive_count_is_checked" {
  command = plan

  variables {
    max_receive_count = 0
  }

  expect_failures = [var.max_receive_count]
}

run "retention_below_the_dead_letters" {
  command = plan

  variables {
    message_retention_seconds = 1209600
  }

  expect_failures = [var.message_retention_seconds]
}

run "not_everybody_may_redrive" {
  command = plan

  variables {
    redrive_principals = ["role/*"]
  }

  expect_failures = [var.redrive_principals]
}

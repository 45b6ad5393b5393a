# Offline: the real provider, which never calls AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name             = "herald-test"
  stage            = "test"
  region           = "eu-central-1"
  notify_topic_arn = "arn:aws:sns:eu-central-1:123456789012:error-notifications"
  topics           = { errors = "error-notifications", events = "generation-complete" }
  queues = {
    dead_letter              = "generation-complete-queue-dlq"
    keep                     = "generation-complete-keep"
    keep_dead_letter         = "generation-complete-keep-dlq"
    main                     = "generation-complete-queue"
    subscription_dead_letter = "generation-complete-subscription-dlq"
  }
  functions = {
    authorize = "herald-test-authorize"
    callback  = "herald-test-callback"
    deliver   = "herald-test-deliver"
    link      = "herald-test-link"
    reconcile = "herald-test-reconcile"
    relay     = "herald-test-relay"
  }
  alarm_providers = ["replicate"]
  tables          = { inbox = "herald-test-inbox" }
  callback_api    = { id = "callbackapi", stage = "$default" }
  websocket_api   = { id = "websocketapi", stage = "test" }
}

# CloudWatch accepts any name, and an alarm with a wrong name is never raised. The names below are
# copied from AWS's documentation and from chalicelib, not from the module.
run "alarms" {
  command = plan

  assert {
    condition = {
      for metric, dimensions in {
        for alarm in aws_cloudwatch_metric_alarm.metric :
        "${alarm.namespace} ${alarm.metric_name}" => join(" ", keys(alarm.dimensions))...
      } : metric => join(", ", distinct(dimensions))
      } == {
      "AWS/ApiGateway 5xx"                                = "ApiId Stage"
      "AWS/ApiGateway ClientError"                        = "ApiId Stage"
      "AWS/ApiGateway ExecutionError"                     = "ApiId Stage"
      "AWS/ApiGateway IntegrationLatency"                 = "ApiId Stage"
      "AWS/ApiGateway Latency"                            = "ApiId Stage"
      "AWS/Lambda Errors"                                 = "FunctionName"
      "AWS/SNS NumberOfNotificationsFailed"               = "TopicName"
      "AWS/SNS NumberOfNotificationsFailedToRedriveToDlq" = "TopicName"
      "AWS/SQS ApproximateAgeOfOldestMessage"             = "QueueName"
      "AWS/SQS ApproximateNumberOfMessagesVisible"        = "QueueName"
      "Herald CallbacksRejected"                          = "Stage"
      "Herald DeliveryLatencyMs"                          = "Stage"
      "Herald FilesNotStored"                             = "Stage"
      "Herald Gaps"                                       = "Stage"
      "Herald GenerationsOverdue"                         = "Stage, Provider Stage"
      "Herald InboxFailures"                              = "Stage"
      "Herald OutboxOldestSeconds"                        = "Stage"
      "Herald PostsForbidden"                             = "Stage"
      "Herald PostsRetryable"                             = "Stage"
      "Herald PublishFailures"                            = "Stage"
    }
    error_message = "A metric or its dimensions are misspelt, or an alarm is missing. Such an alarm would never be raised."
  }

  assert {
    condition = {
      for metric, dimensions in {
        for metric in flatten([
          for alarm in aws_cloudwatch_metric_alarm.expression : [for query in alarm.metric_query : query.metric]
        ]) : "${metric.namespace} ${metric.metric_name}" => join(" ", keys(metric.dimensions))...
      } : metric => join(", ", distinct(dimensions))
      } == {
      "AWS/DynamoDB WriteThrottleEvents" = "TableName"
      "AWS/Lambda Errors"                = "FunctionName"
      "AWS/Lambda Invocations"           = "FunctionName"
      "Herald CredentialsRefused"        = "Stage"
    }
    error_message = "A metric of an expression or its dimensions are misspelt, or an alarm is missing. Such an alarm would never be raised."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.metric : alltrue([
        for name, value in alarm.dimensions : contains({
          ApiId        = ["callbackapi", "websocketapi"]
          FunctionName = ["herald-test-deliver", "herald-test-reconcile", "herald-test-relay"]
          Provider     = ["replicate"]
          QueueName    = ["generation-complete-keep", "generation-complete-keep-dlq", "generation-complete-queue", "generation-complete-queue-dlq", "generation-complete-subscription-dlq"]
          Stage        = lookup(alarm.dimensions, "ApiId", "") == "callbackapi" ? ["$default"] : ["test"]
          TopicName    = ["error-notifications", "generation-complete"]
        }[name], value)
      ])
    ])
    error_message = "An alarm monitors a resource that does not belong to Herald."
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.metric), values(aws_cloudwatch_metric_alarm.expression)) :
      alarm.alarm_actions == toset([var.notify_topic_arn]) && alarm.ok_actions == toset([var.notify_topic_arn])
    ])
    error_message = "Every alarm must notify the error topic when it is raised and when it returns to OK."
  }

  assert {
    condition = alltrue([
      for key, alarm in merge(aws_cloudwatch_metric_alarm.metric, aws_cloudwatch_metric_alarm.expression) :
      endswith(alarm.alarm_description, " Runbook: docs/operations.md#${split("/", key)[0]}")
      && alarm.alarm_name == "herald-test-${replace(key, "/", "-")}"
      && length(alarm.alarm_description) <= 1024
    ])
    error_message = "Every alarm must say what to do and name its runbook."
  }

  assert {
    condition     = length(output.alarm_names) == length(aws_cloudwatch_metric_alarm.metric) + length(aws_cloudwatch_metric_alarm.expression)
    error_message = "Two alarms have the same name: one would replace the other."
  }

  assert {
    condition = [
      for key, alarm in aws_cloudwatch_metric_alarm.metric : key if alarm.treat_missing_data != "notBreaching"
    ] == ["reconcile-stopped", "relay-stopped"]
    error_message = "Missing data must raise the alarm only for reconcile and the relay, which run every minute."
  }

  assert {
    condition = [
      for key in keys(aws_cloudwatch_metric_alarm.metric) : key if startswith(key, "function-errors/")
    ] == ["function-errors/deliver"]
    error_message = "authorize refuses connections by raising errors, and other alarms report the failures of callback, link, reconcile and relay."
  }

  assert {
    condition = alltrue([
      for key in ["reconcile-stopped", "relay-stopped"] :
      aws_cloudwatch_metric_alarm.metric[key].metric_name == "Errors"
      && aws_cloudwatch_metric_alarm.metric[key].threshold == 0
      && aws_cloudwatch_metric_alarm.metric[key].comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.metric[key].dimensions.FunctionName == "herald-test-${split("-", key)[0]}"
    ])
    error_message = "The alarms of the scheduled functions must be raised by errors and by missing invocations."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.metric["callback-unavailable"].metric_name == "5xx"
      && aws_cloudwatch_metric_alarm.metric["callback-unavailable"].threshold == 0
      && aws_cloudwatch_metric_alarm.metric["callback-unavailable"].evaluation_periods == 1
    )
    error_message = "A single answer of 5xx must raise the alarm: callback and link have no alarm on their errors, and the database none on its failures."
  }

  assert {
    condition = {
      for alarm in [
        aws_cloudwatch_metric_alarm.metric["function-errors/deliver"],
        aws_cloudwatch_metric_alarm.metric["reconcile-stopped"],
        aws_cloudwatch_metric_alarm.metric["relay-stopped"],
        aws_cloudwatch_metric_alarm.expression["authorize-errors"],
        aws_cloudwatch_metric_alarm.metric["queue-age"],
      ] : alarm.alarm_name => [alarm.datapoints_to_alarm, alarm.evaluation_periods]
      } == {
      herald-test-function-errors-deliver = [3, 15]
      herald-test-reconcile-stopped       = [3, 15]
      herald-test-relay-stopped           = [3, 15]
      herald-test-authorize-errors        = [3, 15]
      herald-test-queue-age               = [5, 5]
    }
    error_message = "Single failures, which are retried, must not raise an alarm; failures in three of 15 minutes must."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.metric : alarm.metric_name != "IntegrationError"])
    error_message = "IntegrationError must have no alarm: it counts 4xx answers, so a client could raise the alarm."
  }

  assert {
    condition = length(setsubtract(
      ["Herald", "AWS/SQS", "AWS/ApiGateway", "AWS/Lambda"],
      flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : [for metric in widget.properties.metrics : metric[0]]]),
    )) == 0
    error_message = "The dashboard must show the events, the queues, the APIs and the functions."
  }
}

run "an_alarm_for_callback_if_topics_invoke_it" {
  command = plan

  variables {
    callback_topics = true
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.metric), "function-errors/callback")
    error_message = "The HTTP API does not count failures of calls that come from SNS."
  }
}

run "no_alarms_for_outputs_that_are_not_kept" {
  command = plan

  variables {
    queues = {
      dead_letter              = "generation-complete-queue-dlq"
      main                     = "generation-complete-queue"
      subscription_dead_letter = "generation-complete-subscription-dlq"
    }
  }

  assert {
    condition     = length([for key, alarm in aws_cloudwatch_metric_alarm.metric : key if startswith(key, "keep-")]) == 0
    error_message = "Without the queues of keep, their alarms must not exist."
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "null")
    error_message = "The dashboard must not name a queue that does not exist."
  }
}

run "lean" {
  command = plan

  variables {
    lean = true
  }

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0
    error_message = "A lean stage must have no dashboard."
  }

  assert {
    condition = length(setsubtract(
      ["authorize-errors", "dead-letters", "delivery-latency", "callback-unavailable", "function-errors/deliver", "inbox-failures", "notifications-lost", "outbox-age", "queue-age", "reconcile-stopped", "relay-stopped"],
      concat(keys(aws_cloudwatch_metric_alarm.metric), keys(aws_cloudwatch_metric_alarm.expression)),
    )) == 0
    error_message = "A lean stage must have the alarms for lost or late events and for failing functions."
  }

  assert {
    condition     = length(output.alarm_names) == length(aws_cloudwatch_metric_alarm.metric) + length(aws_cloudwatch_metric_alarm.expression)
    error_message = "The output must name the alarms that exist."
  }
}

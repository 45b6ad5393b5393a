# What operators are told, and what they are to do. A misspelt dimension makes an alarm that never
# fires: tests/ holds the dimensions and metrics that each namespace knows.
locals {
  queue_alarms = {
    dead-letters = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible" # NumberOfMessagesSent does not count redriven ones
      dimensions = { QueueName = var.queues.dead_letter }
      statistic  = "Maximum"
      threshold  = 0
      minutes    = 1
      action     = "Events failed in deliver and wait in the dead-letter queue: `make dlq` shows why and moves them back."
    }
    queue-age = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = var.queues.main }
      statistic  = "Maximum"
      threshold  = 60
      minutes    = 5
      action     = "Events wait over a minute for deliver: look for its errors and throttles, then raise deliver_maximum_concurrency."
    }
    queue-depth = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.queues.main }
      statistic  = "Maximum"
      threshold  = 1000
      minutes    = 5
      action     = "Events come faster than deliver takes them: look for its errors and throttles, then raise deliver_maximum_concurrency."
    }
    subscription-dead-letters = {
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.queues.subscription_dead_letter }
      statistic  = "Maximum"
      threshold  = 0
      minutes    = 1
      action     = "SNS could not put events into the queue: check the queue's policy and key, then `make dlq` moves them back."
    }
  }

  topic_alarms = {
    error-notifications-failed = {
      namespace  = "AWS/SNS"
      metric     = "NumberOfNotificationsFailed"
      dimensions = { TopicName = var.topics.errors }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "Operators' notices do not arrive: check the subscriptions of the error topic."
    }
    notifications-failed = {
      namespace  = "AWS/SNS"
      metric     = "NumberOfNotificationsFailed"
      dimensions = { TopicName = var.topics.events }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "SNS fails to deliver events to a subscriber: check the queue's policy and key and the subscription dead-letter queue."
    }
    notifications-lost = {
      namespace  = "AWS/SNS"
      metric     = "NumberOfNotificationsFailedToRedriveToDlq"
      dimensions = { TopicName = var.topics.events }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "Events reached neither the queue nor its net: repair the subscription dead-letter queue, then republish from the outbox."
    }
    notifications-redriven = {
      namespace  = "AWS/SNS"
      metric     = "NumberOfNotificationsRedrivenToDlq"
      dimensions = { TopicName = var.topics.events }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "SNS gave up on the queue and used the subscription dead-letter queue: repair the queue, then `make dlq` moves them back."
    }
  }

  function_alarms = merge(
    {
      # authorize refuses by raising, so its errors are judged by their share: see expressions.tf.
      for name, function in var.functions : "function-errors/${name}" => {
        namespace  = "AWS/Lambda"
        metric     = "Errors"
        dimensions = { FunctionName = function.name }
        statistic  = "Sum"
        threshold  = 0
        minutes    = 1
        action     = "${name} raised or timed out: read its log group from the alarm's minute on."
      } if name != "authorize"
    },
    {
      for name, function in var.functions : "function-throttles/${name}" => {
        namespace  = "AWS/Lambda"
        metric     = "Throttles"
        dimensions = { FunctionName = function.name }
        statistic  = "Sum"
        threshold  = 0
        minutes    = 1
        action     = "Lambda had no room for ${name}: raise the account's concurrency or what is reserved for it."
      }
    },
    {
      for name, function in var.functions : "function-duration/${name}" => {
        namespace  = "AWS/Lambda"
        metric     = "Duration"
        dimensions = { FunctionName = function.name }
        statistic  = "p99"
        threshold  = 800 * function.timeout # 80 % of the timeout, in ms
        minutes    = 5
        action     = "${name} comes close to its timeout of ${function.timeout} s: find the slow dependency in its log before calls are cut off."
      }
    },
    {
      deliver-saturated = {
        namespace  = "AWS/Lambda"
        metric     = "ConcurrentExecutions"
        dimensions = { FunctionName = var.functions.deliver.name }
        statistic  = "Maximum"
        comparison = "GreaterThanOrEqualToThreshold"
        threshold  = var.deliver_maximum_concurrency
        minutes    = 5
        action     = "deliver runs at its maximum concurrency: raise deliver_maximum_concurrency within API Gateway's quota."
      }
      relay-stopped = {
        namespace  = "AWS/Lambda"
        metric     = "Invocations"
        dimensions = { FunctionName = var.functions.relay.name }
        statistic  = "Sum"
        comparison = "LessThanThreshold"
        threshold  = 1
        minutes    = 5
        missing    = "breaching"
        action     = "The relay has not run for five minutes, so unpublished events stay behind: check its schedule and permission."
      }
    },
  )

  api_alarms = {
    callback-latency = {
      namespace  = "AWS/ApiGateway"
      metric     = "Latency"
      dimensions = { ApiId = var.callback_api.id, Stage = var.callback_api.stage }
      statistic  = "p99"
      threshold  = 5000
      minutes    = 5
      action     = "The provider waits over 5 s for an answer to its webhook: check the database's load and connections."
    }
    callback-unavailable = {
      namespace  = "AWS/ApiGateway"
      metric     = "5xx"
      dimensions = { ApiId = var.callback_api.id, Stage = var.callback_api.stage }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "Webhooks were answered with 5xx and rest on the provider's retries: check the database and callback's log."
    }
    websocket-client-errors = {
      namespace  = "AWS/ApiGateway"
      metric     = "ClientError"
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
      statistic  = "Sum"
      threshold  = 100
      minutes    = 5
      action     = "Many clients are refused: check the tokens' issuer and key, the allowed origins and the throttle."
    }
    websocket-execution-errors = {
      namespace  = "AWS/ApiGateway"
      metric     = "ExecutionError"
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "API Gateway could not call a function: check its permissions and Lambda throttles."
    }
    websocket-integration-errors = {
      namespace  = "AWS/ApiGateway"
      metric     = "IntegrationError"
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
      statistic  = "Sum"
      threshold  = 0
      minutes    = 1
      action     = "A function behind the WebSocket failed: read the logs of connect, message and disconnect."
    }
    websocket-latency = {
      namespace  = "AWS/ApiGateway"
      metric     = "IntegrationLatency"
      dimensions = { ApiId = var.websocket_api.id, Stage = var.websocket_api.stage }
      statistic  = "p99"
      threshold  = 3000
      minutes    = 5
      action     = "Connecting and replaying are slow: check the tables' throttles and the functions' durations."
    }
  }

  # What the functions report themselves: metric, statistic, threshold, minutes.
  herald_metrics = {
    callbacks-rejected  = ["CallbacksRejected", "Sum", 20, 5, "Webhooks are refused: compare the webhook secret with the provider's, then look for a forger in the access log."]
    connections-refused = ["ConnectionsRefused", "Sum", 100, 5, "Many connections are refused: check the tokens' issuer, audience and key and the allowed origins."]
    database-failures   = ["DatabaseFailures", "Sum", 0, 1, "A result could not be recorded in three tries: check the database; the provider calls again."]
    delivery-latency    = ["DeliveryLatencyMs", "p95", 5000, 5, "Events take over 5 s from the record to the page: check the queue's age, the outbox and deliver's duration."]
    gaps                = ["Gaps", "Sum", 50, 5, "Many clients were told of a gap: check whether the database was restored or inbox_retention_days is too short."]
    inbox-failures      = ["InboxFailures", "Sum", 0, 1, "Events could not be stored in the inbox: check the table's throttles and deliver's rights on it and its key."]
    invalid-messages    = ["InvalidMessages", "Sum", 0, 1, "Something that is no event came through the queue: find it in the dead-letter queue and who published it."]
    outbox-age          = ["OutboxOldestSeconds", "Maximum", 300, 3, "An event has waited over five minutes to be published: check the relay's log and SNS."]
    posts-forbidden     = ["PostsForbidden", "Sum", 0, 1, "API Gateway forbids posting: check deliver's right on execute-api:ManageConnections and the management endpoint."]
    posts-retryable     = ["PostsRetryable", "Sum", 100, 5, "Many posts to pages failed and are left to recovery: check API Gateway's health and deliver's log."]
    posts-throttled     = ["PostsThrottled", "Sum", 100, 5, "API Gateway throttles posts: lower posts_per_second or deliver_maximum_concurrency, or raise the account's quota."]
    publish-failures    = ["PublishFailures", "Sum", 0, 1, "SNS refused an event in three tries; it is in the outbox: check the topic and key, then that outbox-age falls."]
  }

  herald_alarms = {
    for name, row in local.herald_metrics : name => {
      namespace  = "Herald"
      metric     = row[0]
      dimensions = { Stage = var.stage }
      statistic  = row[1]
      threshold  = row[2]
      minutes    = row[3]
      action     = row[4]
    }
  }
}

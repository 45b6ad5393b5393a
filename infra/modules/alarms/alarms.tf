# One row for each alarm: its metric, its threshold, for how many minutes the metric must exceed the threshold (in a
# row, or within a longer time), and the text for the operator. main.tf adds the settings that all rows of a table share.
#
# AWS bills each metric that an alarm reads, so a failure that another alarm reports as well has no alarm of its own
# (docs/adr/0036). A throttled function is reported by its caller: websocket-execution-errors, callback-unavailable,
# queue-age, relay-stopped or reconcile-stopped. A slow one is reported by websocket-latency, callback-latency or
# delivery-latency. What fails in callback or link is an answer of 5xx: callback-unavailable.
#
# The WebSocket API's metric IntegrationError has no alarm. It also counts connect's 4xx answers, so a single client
# could raise the alarm. When a function behind the API fails, function-errors is raised.
locals {
  queue_alarms = merge(local.keep_alarms, {
    dead-letters = {
      queue     = var.queues.dead_letter
      metric    = "ApproximateNumberOfMessagesVisible" # NumberOfMessagesSent excludes messages moved by a redrive policy
      threshold = 0
      minutes   = 1
      action    = "Events failed in deliver repeatedly and are in the dead-letter queue: `./herald dlq list` shows why, `./herald dlq redrive` retries them."
    }
    queue-age = {
      queue     = var.queues.main
      metric    = "ApproximateAgeOfOldestMessage"
      threshold = 60
      minutes   = 5
      action    = "Events wait more than a minute for deliver: check its errors, duration and throttles, then raise deliver_maximum_concurrency."
    }
    subscription-dead-letters = {
      queue     = var.queues.subscription_dead_letter
      metric    = "ApproximateNumberOfMessagesVisible"
      threshold = 0
      minutes   = 1
      action    = "SNS could not put events into the queue: repair the queue's policy or key, then run `./herald dlq redrive --queue subscription`."
    }
  })

  keep_alarms = {
    for key, row in {
      keep-dead-letters = {
        queue     = var.queues.keep_dead_letter
        metric    = "ApproximateNumberOfMessagesVisible"
        threshold = 0
        minutes   = 1
        action    = "Outputs could not be copied, and their links stop working when the provider's links expire: read keep's log for the reason, then run `./herald dlq redrive --queue keep`."
      }
      keep-queue-age = {
        queue     = var.queues.keep
        metric    = "ApproximateAgeOfOldestMessage"
        threshold = 1800 # all attempts take less
        minutes   = 5
        action    = "Outputs wait to be copied for over half an hour, and providers' links may expire: check keep's errors and throttles, then raise keep_maximum_concurrency."
      }
    } : key => row if row.queue != null
  }

  topic_alarms = {
    error-notifications-failed = {
      topic  = var.topics.errors
      metric = "NumberOfNotificationsFailed"
      action = "SNS cannot notify operators: check the subscriptions of the error topic."
    }
    notifications-lost = {
      topic  = var.topics.events
      metric = "NumberOfNotificationsFailedToRedriveToDlq"
      action = "Events reached neither the queue nor the subscription's dead-letter queue: repair both, then publish the events again from the outbox."
    }
  }

  # Functions whose errors another alarm reports. authorize refuses a connection by raising an error, so expressions.tf
  # watches the share of its errors. SNS gets no answer from callback: without the HTTP API, only the errors show a failure.
  reported_otherwise = concat(["authorize", "link", "reconcile", "relay"], var.callback_topics ? [] : ["callback"])

  function_alarms = merge(
    {
      for name, function in var.functions : "function-errors/${name}" => {
        function  = function
        metric    = "Errors"
        threshold = 0
        minutes   = 3 # callers retry a single failure
        within    = 15
        action    = "${name} failed or timed out: read its log from the minute of the alarm."
      } if !contains(local.reported_otherwise, name)
    },
    {
      # Lambda sends Errors for every invocation, 0 if it succeeded. So for a function that runs every minute, one metric
      # shows both failures and, if it is missing, that the function does not run.
      reconcile-stopped = {
        function  = var.functions.reconcile
        metric    = "Errors"
        threshold = 0
        minutes   = 3
        within    = 15
        missing   = "breaching"
        action    = "reconcile fails or does not run, so nothing replaces lost webhooks and no generation times out: read its log; if that is empty, check its schedule and permission."
      }
      relay-stopped = {
        function  = var.functions.relay
        metric    = "Errors"
        threshold = 0
        minutes   = 3
        within    = 15
        missing   = "breaching"
        action    = "The relay fails or does not run, so unpublished events are waiting: read its log; if that is empty, check its schedule and permission."
      }
    },
  )

  api_alarms = {
    callback-latency = {
      api       = var.callback_api
      metric    = "Latency"
      statistic = "p99"
      threshold = 5000
      minutes   = 5
      action    = "The provider waits over 5 s for the answer to a webhook: check the database's load and connections."
    }
    callback-unavailable = {
      api       = var.callback_api
      metric    = "5xx"
      threshold = 0
      minutes   = 1
      action    = "Webhooks were answered with 5xx and depend on the provider's retries, or links were: check the database, then the logs of callback and link."
    }
    websocket-client-errors = {
      api       = var.websocket_api
      metric    = "ClientError"
      threshold = 100
      minutes   = 5
      action    = "Many clients are refused: check the tokens' issuer, audience and key, the allowed origins and the throttle."
    }
    websocket-execution-errors = {
      api       = var.websocket_api
      metric    = "ExecutionError"
      threshold = 0
      minutes   = 1
      action    = "API Gateway could not invoke a function: check its permission and its throttles."
    }
    websocket-latency = {
      api       = var.websocket_api
      metric    = "IntegrationLatency"
      statistic = "p99"
      threshold = 3000
      minutes   = 5
      action    = "Connects and replays are slow: check the tables' throttles and the functions' durations."
    }
  }

  # Of each provider in alarm_providers, and with the key "generations-overdue" of all providers.
  overdue_alarms = {
    for provider in concat([""], sort(tolist(var.alarm_providers))) :
    provider == "" ? "generations-overdue" : "generations-overdue/${provider}" => {
      provider  = provider
      metric    = "GenerationsOverdue"
      statistic = "Maximum"
      threshold = 5
      minutes   = 5
      action    = "Generations${provider == "" ? "" : " of ${provider}"} are PENDING for unusually long: find the provider in the metric, then check its webhooks, its status page and its API key."
    }
  }

  # Only a stage that keeps outputs stores files.
  file_alarms = {
    for key, row in {
      files-not-stored = {
        metric    = "FilesNotStored"
        threshold = 0
        minutes   = 5
        action    = "Results wait because their files cannot be stored: read reconcile's log, then check the bucket, its key and reconcile's permissions."
      }
    } : key => row if var.queues.keep != null
  }

  # Metrics that the functions emit themselves.
  herald_alarms = {
    callbacks-rejected = {
      metric    = "CallbacksRejected"
      threshold = 20
      minutes   = 5
      action    = "Many webhooks are rejected: compare the webhook secret with the provider's, then look for forged calls in the access log."
    }
    delivery-latency = {
      metric    = "DeliveryLatencyMs"
      statistic = "p95"
      threshold = 5000
      minutes   = 5
      action    = "Events take over 5 s from the recorded result to the client: check the queue's age, the outbox and deliver's duration."
    }
    gaps = {
      metric    = "Gaps"
      threshold = 50
      minutes   = 5
      action    = "Many clients have missed events: check whether the database was restored, or inbox_retention_days is too short."
    }
    inbox-failures = {
      metric    = "InboxFailures"
      threshold = 0
      minutes   = 1
      action    = "Events could not be stored in the inbox: check the table's throttles, and deliver's permissions for the table and its key."
    }
    outbox-age = {
      metric    = "OutboxOldestSeconds"
      statistic = "Maximum"
      threshold = 300
      minutes   = 3
      action    = "An event has waited over five minutes to be published: check the relay's log and SNS."
    }
    posts-forbidden = {
      metric    = "PostsForbidden"
      threshold = 0
      minutes   = 1
      action    = "API Gateway forbids posts to clients: check deliver's permission execute-api:ManageConnections and the management endpoint."
    }
    posts-retryable = {
      metric    = "PostsRetryable"
      threshold = 100
      minutes   = 5
      action    = "Many posts to clients failed or were throttled, and those clients must catch up later: if PostsThrottled is as high, lower posts_per_second or deliver_maximum_concurrency, or raise the account's quota; otherwise check API Gateway's health and deliver's log."
    }
    publish-failures = {
      metric    = "PublishFailures"
      threshold = 0
      minutes   = 1
      action    = "SNS refused events in three attempts; the outbox still has them: check the topic and its key, then watch outbox-age."
    }
  }
}

locals {
  # The dashboard has two widgets per row. A metric has the form [namespace, metric, dimension name,
  # value, …, options].
  widgets = [
    {
      title = "Webhooks and events"
      metrics = concat(
        [
          for metric in ["Count", "4xx", "5xx"] :
          ["AWS/ApiGateway", metric, "ApiId", var.callback_api.id, "Stage", var.callback_api.stage, { stat = "Sum", label = "webhooks: ${metric}" }]
        ],
        [["AWS/SQS", "NumberOfMessagesReceived", "QueueName", var.queues.main, { stat = "Sum", label = "messages received" }]],
        [["Herald", "EventsRelayed", "Stage", var.stage, { stat = "Sum" }]],
      )
    },
    {
      title = "Delivery latency (ms)"
      metrics = [
        for statistic in ["p50", "p95", "p99"] :
        ["Herald", "DeliveryLatencyMs", "Stage", var.stage, { stat = statistic, label = statistic }]
      ]
    },
    {
      title = "Posts to clients"
      metrics = concat(
        [["Herald", "DeliveryLatencyMs", "Stage", var.stage, { stat = "SampleCount", label = "events posted" }]],
        [
          for metric in ["PostsGone", "PostsRetryable", "PostsThrottled", "PostsForbidden"] :
          ["Herald", metric, "Stage", var.stage, { stat = "Sum" }]
        ],
      )
    },
    {
      title = "Failures"
      metrics = [
        for metric in ["DatabaseFailures", "PublishFailures", "InvalidMessages", "InboxFailures"] :
        ["Herald", metric, "Stage", var.stage, { stat = "Sum" }]
      ]
    },
    {
      title = "Queues"
      metrics = concat(
        [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queues.main, { stat = "Maximum", yAxis = "right" }]],
        [for queue in values(var.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { stat = "Maximum" }] if queue != null],
      )
    },
    {
      title   = "Outbox: age of the oldest unpublished event (s)"
      metrics = [["Herald", "OutboxOldestSeconds", "Stage", var.stage, { stat = "Maximum" }]]
    },
    {
      title = "WebSocket connections, messages and errors"
      metrics = [
        for metric in ["ConnectCount", "MessageCount", "ClientError", "IntegrationError", "ExecutionError"] :
        ["AWS/ApiGateway", metric, "ApiId", var.websocket_api.id, "Stage", var.websocket_api.stage, { stat = "Sum" }]
      ]
    },
    {
      title = "Replays, gaps and refusals"
      metrics = [
        for metric in ["Replayed", "Gaps", "ReplaysLimited", "ConnectionsRefused", "ConnectionsEvicted"] :
        ["Herald", metric, "Stage", var.stage, { stat = "Sum" }]
      ]
    },
    {
      title = "Look-ups and overdue generations"
      metrics = [
        for metric in ["Lookups", "LookupFailures", "ResultsReconciled", "GenerationsOverdue", "GenerationsTimedOut"] :
        ["Herald", metric, "Stage", var.stage, { stat = metric == "GenerationsOverdue" ? "Maximum" : "Sum" }]
      ]
    },
    {
      title = "Kept outputs"
      metrics = [
        for metric in ["OutputsKept", "OutputsPassedOn", "CopiesFailed", "OutputsNotKept", "LinksGone"] :
        ["Herald", metric, "Stage", var.stage, { stat = "Sum" }]
      ]
    },
    {
      title   = "Function errors"
      metrics = [for function in var.functions : ["AWS/Lambda", "Errors", "FunctionName", function, { stat = "Sum" }]]
    },
    {
      title   = "Function duration, p99 (ms)"
      metrics = [for function in var.functions : ["AWS/Lambda", "Duration", "FunctionName", function, { stat = "p99" }]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.lean ? 0 : 1

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          metrics = widget.metrics
          period  = 60
          region  = var.region
        }
      }
    ]
  })
}

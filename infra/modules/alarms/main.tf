# The tables of alarms are in alarms.tf and expressions.tf. A row's key is the name of its alarm and, up to
# the "/", the heading of its runbook.
locals {
  # A lean stage has no alarms for what slows delivery down, for abuse, or for failures that clients, providers or the
  # relay make up for.
  omitted = var.lean ? toset([
    "callback-latency",
    "callbacks-rejected",
    "files-not-stored",
    "gaps",
    "generations-overdue",
    "posts-retryable",
    "publish-failures",
    "table-throttles",
    "websocket-client-errors",
    "websocket-latency",
  ]) : toset([])

  # Rows without a statistic use the sum. Most metrics are sent only when something happens, so
  # missing data does not raise an alarm unless the row says so.
  defaults = {
    statistic  = "Sum"
    comparison = "GreaterThanThreshold"
    missing    = "notBreaching"
  }

  alarms = merge(
    {
      for key, row in local.queue_alarms : key => merge(local.defaults, { statistic = "Maximum" }, row, {
        namespace                                                                   = "AWS/SQS", dimensions = { QueueName = row.queue }
      })
    },
    {
      for key, row in local.topic_alarms : key => merge(local.defaults, { threshold = 0, minutes = 1 }, row, {
        namespace                                                                   = "AWS/SNS", dimensions = { TopicName = row.topic }
      })
    },
    {
      for key, row in local.function_alarms : key => merge(local.defaults, row, {
        namespace = "AWS/Lambda", dimensions = { FunctionName = row.function }
      })
    },
    {
      for key, row in local.api_alarms : key => merge(local.defaults, row, {
        namespace = "AWS/ApiGateway", dimensions = { ApiId = row.api.id, Stage = row.api.stage }
      })
    },
    {
      for key, row in merge(local.herald_alarms, local.file_alarms) : key => merge(local.defaults, row, {
        namespace = "Herald", dimensions = { Stage = var.stage }
      })
    },
    {
      for key, row in local.overdue_alarms : key => merge(local.defaults, row, {
        namespace  = "Herald"
        dimensions = row.provider == "" ? { Stage = var.stage } : { Stage = var.stage, Provider = row.provider }
      })
    },
  )

  # Settings that both kinds of alarms have in common.
  texts = {
    for key, row in merge(local.alarms, local.expression_alarms) : key => {
      name        = "${var.name}-${replace(key, "/", "-")}"
      runbook     = split("/", key)[0]
      description = "${row.action} Runbook: docs/operations.md#${split("/", key)[0]}"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each = { for key, row in local.alarms : key => row if !contains(local.omitted, split("/", key)[0]) }

  alarm_name        = local.texts[each.key].name
  alarm_description = local.texts[each.key].description
  alarm_actions     = [var.notify_topic_arn]
  ok_actions        = [var.notify_topic_arn]

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  datapoints_to_alarm = each.value.minutes
  evaluation_periods  = lookup(each.value, "within", each.value.minutes)
  treat_missing_data  = each.value.missing
}

resource "aws_cloudwatch_metric_alarm" "expression" {
  for_each = { for key, row in local.expression_alarms : key => row if !contains(local.omitted, split("/", key)[0]) }

  alarm_name        = local.texts[each.key].name
  alarm_description = local.texts[each.key].description
  alarm_actions     = [var.notify_topic_arn]
  ok_actions        = [var.notify_topic_arn]

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.minutes
  evaluation_periods  = lookup(each.value, "within", each.value.minutes)
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "result"
    expression  = each.value.expression
    label       = each.key
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

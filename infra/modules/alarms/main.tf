# The tables of alarms are in alarms.tf. Each row's key is the alarm's name and, up to the "/", the
# heading of its runbook.
locals {
  alarms = merge(
    local.queue_alarms,
    local.topic_alarms,
    local.function_alarms,
    local.api_alarms,
    local.herald_alarms,
  )
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${replace(each.key, "/", "-")}"
  alarm_description = "${each.value.action} Runbook: docs/operations.md#${split("/", each.key)[0]}"
  alarm_actions     = [var.notify_topic_arn]
  ok_actions        = [var.notify_topic_arn]

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = try(each.value.comparison, "GreaterThanThreshold")
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.minutes
  # Most metrics are only sent when something happens: silence is fine unless the row says otherwise.
  treat_missing_data = try(each.value.missing, "notBreaching")
}

resource "aws_cloudwatch_metric_alarm" "expression" {
  for_each = local.expression_alarms

  alarm_name        = "${var.name}-${replace(each.key, "/", "-")}"
  alarm_description = "${each.value.action} Runbook: docs/operations.md#${split("/", each.key)[0]}"
  alarm_actions     = [var.notify_topic_arn]
  ok_actions        = [var.notify_topic_arn]

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = each.value.minutes
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

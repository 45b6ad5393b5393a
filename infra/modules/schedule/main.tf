resource "aws_cloudwatch_event_rule" "this" {
  name                = var.name
  description         = var.description
  schedule_expression = var.schedule_expression
  state               = "ENABLED"
}

resource "aws_cloudwatch_event_target" "this" {
  rule      = aws_cloudwatch_event_rule.this.name
  target_id = "function"
  arn       = var.function_arn

  # Applies if Lambda does not accept the event. There are no retries, because the next run does the same work.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }

  depends_on = [aws_lambda_function_event_invoke_config.this]
}

# Applies if the function fails. By default, Lambda would run it twice more, and keep a throttled event for six hours.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = var.function_arn
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

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
  name                = "herald-test-relay"
  description         = "A schedule"
  schedule_expression = "rate(1 minute)"
  function_arn        = "arn:aws:lambda:eu-central-1:123456789012:function:herald-test-relay"
}

run "every_minute" {
  command = plan

  assert {
    condition     = aws_cloudwatch_event_rule.this.schedule_expression == "rate(1 minute)" && aws_cloudwatch_event_rule.this.state == "ENABLED"
    error_message = "The rule must be enabled, every minute."
  }

  assert {
    condition     = aws_cloudwatch_event_target.this.arn == var.function_arn && aws_cloudwatch_event_target.this.rule == "herald-test-relay"
    error_message = "The rule must invoke the function."
  }

  assert {
    condition = [
      [aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts, aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds],
      [aws_lambda_function_event_invoke_config.this.maximum_retry_attempts, aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds],
    ] == [[0, 60], [0, 60]]
    error_message = "Neither EventBridge nor Lambda may retry the function, or keep an event for longer than a minute."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.function_name == var.function_arn
    error_message = "The limits must apply to the invoked function."
  }
}

run "expression_is_checked" {
  command = plan

  variables {
    schedule_expression = "every minute"
  }

  expect_failures = [var.schedule_expression]
}

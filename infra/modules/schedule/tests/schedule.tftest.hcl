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
}

run "expression_is_checked" {
  command = plan

  variables {
    schedule_expression = "every minute"
  }

  expect_failures = [var.schedule_expression]
}

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
  name                   = "herald-test-callback"
  base_path              = "/callbacks"
  invoke_arn             = "arn:aws:apigateway:eu-central-1:lambda:path/callback"
  access_log_group_name  = "/aws/vendedlogs/herald-test-callback"
  logs_key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/logs"
  log_retention_days     = 30
  throttling_rate_limit  = 200
  throttling_burst_limit = 400
}

run "routes_of_providers" {
  command = plan

  assert {
    condition = toset([for route in aws_apigatewayv2_route.this : route.route_key]) == toset([
      "POST /callbacks/{provider}",
      "POST /callbacks/{provider}/{generation}",
      "POST /callbacks/{provider}/{generation}/{token}",
    ])
    error_message = "A provider must have an address for the account, for a generation, and for a generation with a token."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this.payload_format_version == "2.0"
    error_message = "The function expects payload format 2.0."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 200 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 400
    error_message = "The stage must be throttled."
  }

  assert {
    condition = length([
      for variable in values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)) : variable
      if length(regexall("(?i)query|header|path|userAgent", variable)) > 0
    ]) == 0
    error_message = "The access log must not contain paths, query strings or headers: tokens or signatures may be in them."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.kms_key_id == var.logs_key_arn && aws_cloudwatch_log_group.access.retention_in_days == 30
    error_message = "The access log must be encrypted and deleted after 30 days."
  }
}

run "no_links_unless_outputs_are_kept" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_route.link) == 0 && length(aws_apigatewayv2_stage.this.route_settings) == 0
    error_message = "Without kept outputs, there must be no route for links."
  }
}

run "links" {
  command = plan

  variables {
    link = {
      base_path              = "/outputs"
      invoke_arn             = "arn:aws:apigateway:eu-central-1:lambda:path/link"
      throttling_rate_limit  = 500
      throttling_burst_limit = 1000
    }
  }

  assert {
    condition     = aws_apigatewayv2_route.link[0].route_key == "GET /outputs/{generation}/{index}/{signature}"
    error_message = "A link must lead to the function link."
  }

  assert {
    condition     = one([for settings in aws_apigatewayv2_stage.this.route_settings : "${settings.route_key} ${settings.throttling_rate_limit} ${settings.throttling_burst_limit}"]) == "GET /outputs/{generation}/{index}/{signature} 500 1000"
    error_message = "Links must have limits of their own."
  }
}

run "no_parameters_in_the_base_path" {
  command = plan

  variables {
    base_path = "/{proxy+}"
  }

  expect_failures = [var.base_path]
}

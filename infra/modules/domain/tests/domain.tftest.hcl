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
  name            = "events.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/events"
  api_id          = "api"
  stage           = "test"
}

override_resource {
  target = aws_apigatewayv2_domain_name.this
  values = { id = "events.example.com" }
}

override_resource {
  target = aws_apigatewayv2_api_mapping.this
}

run "the_whole_domain" {
  assert {
    condition     = aws_apigatewayv2_domain_name.this.domain_name == "events.example.com" && aws_apigatewayv2_domain_name.this.domain_name_configuration[0].certificate_arn == var.certificate_arn
    error_message = "The domain must have its certificate."
  }

  assert {
    condition     = aws_apigatewayv2_domain_name.this.domain_name_configuration[0].security_policy == "TLS_1_2" && aws_apigatewayv2_domain_name.this.domain_name_configuration[0].endpoint_type == "REGIONAL"
    error_message = "WebSocket APIs accept regional domains only; TLS below 1.2 is refused."
  }

  assert {
    condition     = aws_apigatewayv2_api_mapping.this.stage == "test" && coalesce(aws_apigatewayv2_api_mapping.this.api_mapping_key, "none") == "none"
    error_message = "The mapping must have no key: clients and functions use URLs without a path."
  }
}

run "not_a_url" {
  command = plan

  variables {
    name = "https://events.example.com"
  }

  expect_failures = [var.name]
}

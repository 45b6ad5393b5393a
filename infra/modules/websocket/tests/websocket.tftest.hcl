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
  name                  = "herald-test"
  stage                 = "test"
  authorizer_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/authorize"
  invoke_arns = {
    connect    = "arn:aws:apigateway:eu-central-1:lambda:path/connect"
    disconnect = "arn:aws:apigateway:eu-central-1:lambda:path/disconnect"
    message    = "arn:aws:apigateway:eu-central-1:lambda:path/message"
  }
  access_log_group_name  = "/aws/vendedlogs/herald-test-websocket"
  logs_key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/logs"
  log_retention_days     = 30
  throttling_rate_limit  = 2000
  throttling_burst_limit = 1000
}

override_resource {
  target = aws_apigatewayv2_api.this
  values = { id = "api", execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:api" }
}

override_resource {
  target = aws_apigatewayv2_authorizer.this
  values = { id = "authorizer" }
}

override_resource {
  target = aws_apigatewayv2_integration.this
  values = { id = "integration" }
}

override_resource {
  target = aws_apigatewayv2_route.this
  values = { id = "route" }
}

override_resource {
  target = aws_apigatewayv2_integration.keepalive
  values = { id = "mock" }
}

override_resource {
  target = aws_apigatewayv2_route.keepalive
}

override_resource {
  target = aws_apigatewayv2_route_response.this
}

override_resource {
  target = aws_apigatewayv2_deployment.this
  values = { id = "deployment" }
}

override_resource {
  target = aws_apigatewayv2_stage.this
}

override_resource {
  target = aws_cloudwatch_log_group.access
  values = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/herald-test-websocket" }
}

run "first_deployment" {
  assert {
    condition = {
      for name, route in aws_apigatewayv2_route.this :
      name => join(" ", compact([route.route_key, route.authorization_type, route.authorizer_id, route.route_response_selection_expression]))
      } == {
      connect    = "$connect CUSTOM authorizer"
      disconnect = "$disconnect NONE"
      message    = "$default NONE $default"
    }
    error_message = "Only $connect must be authorized, and only $default must answer."
  }

  assert {
    condition     = { for name, integration in aws_apigatewayv2_integration.this : name => integration.integration_uri } == { for name, arn in var.invoke_arns : name => arn }
    error_message = "Each route must invoke its own function."
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.this.authorizer_type == "REQUEST" && length(coalesce(aws_apigatewayv2_authorizer.this.identity_sources, [])) == 0
    error_message = "With an identity source, API Gateway would reject clients that send the other kind of credential."
  }

  assert {
    condition     = [for response in aws_apigatewayv2_route_response.this : response.route_response_key] == ["$default"]
    error_message = "Without a route response, the client does not receive the return value of message."
  }

  assert {
    condition = (
      aws_apigatewayv2_route.keepalive.route_key == "keepalive" && aws_apigatewayv2_route.keepalive.target == "integrations/mock" &&
      aws_apigatewayv2_integration.keepalive.integration_type == "MOCK" && aws_apigatewayv2_integration.keepalive.integration_uri == null
    )
    error_message = "A keepalive must not invoke a function."
  }

  assert {
    condition = (
      aws_apigatewayv2_route.keepalive.route_response_selection_expression == null &&
      !contains([for response in aws_apigatewayv2_route_response.this : response.route_id], aws_apigatewayv2_route.keepalive.id)
    )
    error_message = "A keepalive must not be answered: an answer is another message, and proves nothing."
  }

  assert {
    condition     = try(jsondecode(aws_apigatewayv2_integration.keepalive.request_templates[aws_apigatewayv2_integration.keepalive.template_selection_expression]).statusCode, null) == 200
    error_message = "Without a template that has a status code, a mock integration fails."
  }

  assert {
    condition     = output.keepalive_ms + 60000 < 600000
    error_message = "Keepalives must be less than ten minutes apart, even if a hidden tab's timer is a minute late."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 2000 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 1000
    error_message = "The stage must be throttled."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].logging_level == "OFF" && !aws_apigatewayv2_stage.this.default_route_settings[0].data_trace_enabled
    error_message = "Execution logs would contain headers, and so tokens."
  }

  assert {
    condition = length([
      for variable in values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)) : variable
      if length(regexall("(?i)query|header|path|subprotocol|userAgent", variable)) > 0
    ]) == 0
    error_message = "The access log must not contain query strings or headers: tokens may be in them."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.kms_key_id == var.logs_key_arn && aws_cloudwatch_log_group.access.retention_in_days == 30
    error_message = "The access log must be encrypted and deleted after 30 days."
  }

  assert {
    condition     = output.authorizer_arn == "arn:aws:execute-api:eu-central-1:123456789012:api/authorizers/authorizer"
    error_message = "The authorizer must be invoked from its own ARN."
  }
}

run "nothing_changed" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_deployment.this.triggers == run.first_deployment.deployment_triggers
    error_message = "The same routes must not be deployed again."
  }
}

run "another_function" {
  command = plan

  variables {
    invoke_arns = {
      connect    = "arn:aws:apigateway:eu-central-1:lambda:path/connect"
      disconnect = "arn:aws:apigateway:eu-central-1:lambda:path/disconnect"
      message    = "arn:aws:apigateway:eu-central-1:lambda:path/another"
    }
  }

  assert {
    condition     = aws_apigatewayv2_deployment.this.triggers != run.first_deployment.deployment_triggers
    error_message = "A changed integration must be deployed."
  }
}

run "another_authorizer" {
  command = plan

  variables {
    authorizer_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/another"
  }

  assert {
    condition     = aws_apigatewayv2_deployment.this.triggers != run.first_deployment.deployment_triggers
    error_message = "A changed authorizer must be deployed."
  }
}

run "another_endpoint" {
  command = plan

  variables {
    disable_execute_api_endpoint = true
  }

  assert {
    condition     = aws_apigatewayv2_deployment.this.triggers != run.first_deployment.deployment_triggers
    error_message = "Disabling the endpoint must lead to a new deployment, because clients can use the endpoint until then."
  }
}

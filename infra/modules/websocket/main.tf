locals {
  # For each route: its key, whether the authorizer checks requests, and whether API Gateway sends
  # the function's return value to the client.
  routes = {
    connect    = { key = "$connect", authorized = true, answers = false }
    disconnect = { key = "$disconnect", authorized = false, answers = false }
    message    = { key = "$default", authorized = false, answers = true }
  }

  # API Gateway closes a connection after ten minutes without a message. A browser runs the timers of
  # a hidden tab once a minute, so a keepalive can be a minute late.
  keepalive_ms = 510000
}

resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  description                  = "Delivers Herald's events to clients"
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
  protocol_type                = "WEBSOCKET"
  route_selection_expression   = "$request.body.action"
}

# There are no identity sources, because API Gateway rejects a request if one of the sources is
# missing. Browsers send the token as a subprotocol, and other clients send it in a header.
resource "aws_apigatewayv2_authorizer" "this" {
  api_id          = aws_apigatewayv2_api.this.id
  name            = "${var.name}-authorize"
  authorizer_type = "REQUEST"
  authorizer_uri  = var.authorizer_invoke_arn
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.routes

  api_id                    = aws_apigatewayv2_api.this.id
  content_handling_strategy = "CONVERT_TO_TEXT"
  integration_method        = "POST"
  integration_type          = "AWS_PROXY"
  integration_uri           = var.invoke_arns[each.key]
  passthrough_behavior      = "WHEN_NO_MATCH"
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:Only $connect can have an authorizer; its decision applies to the whole connection
  for_each = local.routes

  api_id                              = aws_apigatewayv2_api.this.id
  authorization_type                  = each.value.authorized ? "CUSTOM" : "NONE"
  authorizer_id                       = each.value.authorized ? aws_apigatewayv2_authorizer.this.id : null
  route_key                           = each.value.key
  route_response_selection_expression = each.value.answers ? "$default" : null
  target                              = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
}

# Without a route response, API Gateway does not send the return value of `message` to the client.
resource "aws_apigatewayv2_route_response" "this" {
  for_each = { for name, route in local.routes : name => route if route.answers }

  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.this[each.key].id
  route_response_key = "$default"
}

# Answers keepalives itself, without a function. There is no route response, so the client receives
# nothing. Without the template, a mock integration fails, and the client would receive an error.
resource "aws_apigatewayv2_integration" "keepalive" {
  api_id                        = aws_apigatewayv2_api.this.id
  integration_type              = "MOCK"
  passthrough_behavior          = "WHEN_NO_MATCH"
  request_templates             = { "200" = jsonencode({ statusCode = 200 }) }
  template_selection_expression = "200"
}

resource "aws_apigatewayv2_route" "keepalive" {
  #checkov:skip=CKV_AWS_309:Only $connect can have an authorizer; its decision applies to the whole connection
  api_id             = aws_apigatewayv2_api.this.id
  authorization_type = "NONE"
  route_key          = "keepalive"
  target             = "integrations/${aws_apigatewayv2_integration.keepalive.id}"
}

resource "aws_apigatewayv2_deployment" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  description = "Replaced when a route, an integration or the authorizer changes"

  # A hash of the attributes that are set above, except names and descriptions. Whole resources are not hashed,
  # because they also have computed attributes, which can change without a change of the API.
  triggers = {
    redeployment = sha1(jsonencode([
      aws_apigatewayv2_api.this.disable_execute_api_endpoint,
      aws_apigatewayv2_api.this.protocol_type,
      aws_apigatewayv2_api.this.route_selection_expression,
      aws_apigatewayv2_authorizer.this.authorizer_type,
      aws_apigatewayv2_authorizer.this.authorizer_uri,
      [for integration in aws_apigatewayv2_integration.this : [
        integration.content_handling_strategy,
        integration.integration_method,
        integration.integration_type,
        integration.integration_uri,
        integration.passthrough_behavior,
      ]],
      [for route in aws_apigatewayv2_route.this : [
        route.authorization_type,
        route.authorizer_id,
        route.route_key,
        route.route_response_selection_expression,
        route.target,
      ]],
      [for route_response in aws_apigatewayv2_route_response.this : route_response.route_response_key],
      [
        aws_apigatewayv2_integration.keepalive.integration_type,
        aws_apigatewayv2_integration.keepalive.passthrough_behavior,
        aws_apigatewayv2_integration.keepalive.request_templates,
        aws_apigatewayv2_integration.keepalive.template_selection_expression,
        aws_apigatewayv2_route.keepalive.authorization_type,
        aws_apigatewayv2_route.keepalive.route_key,
        aws_apigatewayv2_route.keepalive.target,
      ],
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_stage" "this" {
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.stage
  deployment_id = aws_apigatewayv2_deployment.this.id

  # No query strings and no headers: they may contain tokens. Each byte is billed for every frame.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      connection = "$context.connectionId"
      error      = "$context.integrationErrorMessage"
      id         = "$context.requestId"
      ip         = "$context.identity.sourceIp"
      refused    = "$context.authorizer.error"
      route      = "$context.routeKey"
      status     = "$context.status"
    })
  }

  # Execution logs are off, because they contain headers and go to a log group that API Gateway
  # creates itself.
  default_route_settings {
    data_trace_enabled       = false
    detailed_metrics_enabled = var.detailed_metrics
    logging_level            = "OFF"
    throttling_burst_limit   = var.throttling_burst_limit
    throttling_rate_limit    = var.throttling_rate_limit
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = var.access_log_group_name
  kms_key_id        = var.logs_key_arn
  retention_in_days = var.log_retention_days
}

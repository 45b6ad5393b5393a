resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  description                  = "Receives webhooks of generation providers for Herald"
  disable_execute_api_endpoint = var.disable_execute_api_endpoint
  protocol_type                = "HTTP"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_method     = "POST"
  integration_type       = "AWS_PROXY"
  integration_uri        = var.invoke_arn
  payload_format_version = "2.0"
}

# A provider calls one URL for all generations of an account, or one for each generation. The URL ends
# with a token if the provider signs nothing.
locals {
  routes = {
    account    = "/{provider}"
    generation = "/{provider}/{generation}"
    capability = "/{provider}/{generation}/{token}"
  }
}

# No authorizer: `callback` verifies each webhook.
resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:Providers cannot sign for IAM; callback verifies each webhook
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  authorization_type = "NONE"
  route_key          = "POST ${var.base_path}${each.value}"
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
}

# The links of kept outputs. `link` checks their signatures.
resource "aws_apigatewayv2_integration" "link" {
  count = var.link == null ? 0 : 1

  api_id                 = aws_apigatewayv2_api.this.id
  integration_method     = "POST"
  integration_type       = "AWS_PROXY"
  integration_uri        = var.link.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "link" {
  #checkov:skip=CKV_AWS_309:Anybody who has a link may follow it; link checks its signature
  count = var.link == null ? 0 : 1

  api_id             = aws_apigatewayv2_api.this.id
  authorization_type = "NONE"
  route_key          = "GET ${var.link.base_path}/{generation}/{index}/{signature}"
  target             = "integrations/${aws_apigatewayv2_integration.link[0].id}"
}

# Until now, there was one route. It is changed in place, so /callbacks/generations is always answered.
moved {
  from = aws_apigatewayv2_route.this
  to   = aws_apigatewayv2_route.this["account"]
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  # No paths, query strings or headers: they may contain tokens or signatures. Each byte is billed for every webhook.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      error  = "$context.integrationErrorMessage"
      id     = "$context.requestId"
      ip     = "$context.identity.sourceIp"
      ms     = "$context.responseLatency"
      status = "$context.status"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = false
    throttling_burst_limit   = var.throttling_burst_limit
    throttling_rate_limit    = var.throttling_rate_limit
  }

  # Links have limits of their own, so that they cannot use up those of webhooks.
  dynamic "route_settings" {
    for_each = aws_apigatewayv2_route.link

    content {
      route_key                = route_settings.value.route_key
      detailed_metrics_enabled = false
      throttling_burst_limit   = var.link.throttling_burst_limit
      throttling_rate_limit    = var.link.throttling_rate_limit
    }
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = var.access_log_group_name
  kms_key_id        = var.logs_key_arn
  retention_in_days = var.log_retention_days
}

output "api_id" {
  description = "Id of the WebSocket API."
  value       = aws_apigatewayv2_api.this.id
}

output "authorizer_arn" {
  description = "ARN from which API Gateway invokes the authorizer."
  value       = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.this.id}"
}

output "deployment_triggers" {
  description = "Hash that changes when the API must be deployed again."
  value       = aws_apigatewayv2_deployment.this.triggers
}

output "execution_arn" {
  description = "ARN of the API for permissions: append /<stage>/<route> or /<stage>/<method>/@connections/*."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "keepalive_ms" {
  description = "The most milliseconds between two messages of a client: the interval of its keepalives."
  value       = local.keepalive_ms
  depends_on  = [aws_apigatewayv2_route.keepalive]
}

output "stage_name" {
  description = "Name of the deployed stage."
  value       = aws_apigatewayv2_stage.this.name
}

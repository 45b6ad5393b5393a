output "api_keys_table_arn" {
  description = "ARN of the table of API keys."
  value       = aws_dynamodb_table.api_keys.arn
}

output "api_keys_table_name" {
  description = "Name of the table of API keys."
  value       = aws_dynamodb_table.api_keys.name
}

output "connections_table_arn" {
  description = "ARN of the table of open connections."
  value       = aws_dynamodb_table.connections.arn
}

output "connections_table_name" {
  description = "Name of the table of open connections."
  value       = aws_dynamodb_table.connections.name
}

output "database_secret_arn" {
  description = "ARN of the secret with the PostgreSQL DSN."
  value       = aws_secretsmanager_secret.this[var.single_secret ? "all" : "database"].arn
}

output "inbox_table_arn" {
  description = "ARN of the inbox table."
  value       = aws_dynamodb_table.inbox.arn
}

output "inbox_table_name" {
  description = "Name of the inbox table."
  value       = aws_dynamodb_table.inbox.name
}

output "jwt_secret_arn" {
  description = "ARN of the secret with which tokens are verified."
  value       = aws_secretsmanager_secret.this[var.single_secret ? "all" : "jwt"].arn
}

output "providers_secret_arn" {
  description = "ARN of the secret with the keys of generation providers."
  value       = aws_secretsmanager_secret.this[var.single_secret ? "all" : "providers"].arn
}

output "secrets" {
  description = "Where each value is: the ARN of its secret, followed by #<name> if the secret has several values."
  value = {
    for name in keys(local.secrets) :
    name => var.single_secret ? "${aws_secretsmanager_secret.this["all"].arn}#${name}" : aws_secretsmanager_secret.this[name].arn
  }
}

output "webhook_secret_arn" {
  description = "ARN of the secret that verifies webhooks with Herald's own payload."
  value       = aws_secretsmanager_secret.this[var.single_secret ? "all" : "webhook"].arn
}
